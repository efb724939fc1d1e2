/**
 * What the parts of a node hand to each other: first those that its tasks share, then those that each task has of its own, where what is
 * shared is handed on.
 */
import type { PrivateKey } from '@libp2p/interface'
import type { Timing } from '../clock/index.ts'
import type { bytesOf, Config, TaskConfig } from '../config/index.ts'
import type { DiskWatch } from '../disk/index.ts'
import type { Gossip } from '../gossip/index.ts'
import type { FinalVote, K2Client, Outage, Outbox, Slots, StakeView, VoteBatcher } from '../k2/index.ts'
import type { StakeAccount, TaskAccount } from '../k2/settlement/index.ts'
import type { Announcer, Discovery, Hello, Host, Peers, Presence, Roster, Traffic } from '../network/index.ts'
import type { Events, Logger, NodeEvents } from '../observe/index.ts'
import type { Participant, Runtime } from '../participant/index.ts'
import type { Proofs, ProviderHint } from '../proofs/index.ts'
import type { Ledger } from '../record/index.ts'
import type { RecordArchive, Store } from '../store/index.ts'
import type { Sync } from '../sync/index.ts'
import type { Network } from '../wire/index.ts'
import type { BootstrapNotice } from './bootstrap-notice.ts'
import type { DiskCare } from './disk-care.ts'
import type { History } from './history.ts'
import type { LifeSigns } from './life-signs.ts'
import type { Meeting } from './meeting.ts'
import type { OwnKeys } from './own-keys.ts'
import type { Paced } from './paced.ts'
import type { NodeParts } from './parts.ts'
import type { Pause } from './pause.ts'
import type { Signing } from './signing.ts'
import type { Slasher } from './slasher.ts'
import type { TaskStatusView } from './task-facts.ts'
import type { TaskVersions } from './task-versions.ts'

/** What the process has, whatever it runs. */
export interface HostBase {
  config: Config
  log: Logger
  parts: () => NodeParts
  keyIsIdle: boolean
  watch: DiskWatch
  /** What outlives a kill; its lock keeps a second process away from this data directory. */
  store: Store
  keys: OwnKeys
  /** Who the node is for libp2p. */
  privateKey: PrivateKey
  /** Aborted when the node stops. */
  stopping: AbortController
  /** The rooms of each task that is furnished, in the order in which they came. */
  rooms: Map<string, Rooms>
  /** Ends with the node, or with a start that fails: what was opened last comes first. */
  onClose(close: () => void | Promise<void>): void
  close(): Promise<void>
}

/** K2, as all tasks see it. */
export interface HostChain {
  /** The staking key by which K2 and the events know the node: that of its first task. */
  node: string
  k2: K2Client
  /** Where K2's slots wait for the node. */
  paced: Paced | undefined
  genesisHash: string
  slots: Slots
  outage: Outage
  /** Tells what is about no task. */
  events: NodeEvents
}

/** The one libp2p, and who may speak in any of the tasks. */
export interface HostMesh {
  host: Host
  roster: Roster
  /** Writes down which ports it listens on, for the next start. */
  keepPorts(): Promise<void>
}

/** The one block store. */
export interface HostKeeping {
  proofs: Proofs
  disk: DiskCare
}

/** What the tasks of a node share. */
export interface Shared {
  base: HostBase
  chain: HostChain
  mesh: HostMesh
  keeping: HostKeeping
}

/** Who does a task, and with what settings, before anybody is spoken with. */
export interface Base {
  config: TaskConfig
  log: Logger
  parts: NodeParts
  keyIsIdle: boolean
  sizes: ReturnType<typeof bytesOf>
  watch: DiskWatch
  store: Store
  signing: Signing
  /** base58: the staking key. */
  self: string
  /** How the key speaks in the mesh, and how it pays on K2. */
  voice: { publicKey: Uint8Array; sign(bytes: Uint8Array): Promise<Uint8Array> }
  payer: { address: string; sign(message: Uint8Array): Promise<Uint8Array> }
  /** What a command takes that is about this node's stake, from wherever it is run. */
  own: { k2: string; program: string | undefined; task: string; key: string }
  /** Aborted when the task is left, or the node stops. */
  stopping: AbortController
  late: Late
  /** Ends with the task, or with a start of it that fails: what was opened last comes first. */
  onClose(close: () => void | Promise<void>): void
  close(): Promise<void>
}

/** K2, as a task sees it: who has stake, what the task is, what slot it is. */
export interface ChainSide extends Omit<HostChain, 'events'> {
  /** As it was when the node was built. */
  account: TaskAccount
  network: Network
  timing: Timing
  stakes: StakeView
  /** Tells what is about the task. */
  events: Events
  /** The stake that our key speaks for: another's from before, where it took over. */
  ownStake(): StakeAccount | undefined
}

/** Who is there of a task, and how they are found. */
export interface MeshSide {
  peers: Peers
  host: Host
  /** What comes of the task's gossip. */
  traffic: Traffic
  presence: Presence
  announcer: Announcer
  hello: Hello
  discovery: Discovery
  lifeSigns: LifeSigns
  bootstrapNotice: BootstrapNotice
  /** Where stakers say on K2 that they are. */
  hints(): Array<{ staker: string; address: string }>
  /** Where the staked peers are that we know. */
  providers(): ProviderHint[]
  providerOf(staker: string): ProviderHint | undefined
}

/** Proofs and records: blocks on the disk, served to whoever asks, and what becomes of them when there is no room. */
export interface Keeping {
  archive: RecordArchive
  /** Who waits for one does not keep the node from stopping. */
  proofs: Proofs
  history: History
  disk: DiskCare
  /** Lets go what is older than its time, or more than the quota. */
  clearAway(): void
}

/** What runs the task's code: its bundles, each for its cycles, and whether it rests. */
export interface Work {
  versions: TaskVersions
  pause: Pause
  runtime: Runtime
  /** Resolves when this node cannot take part as it was started. */
  unfit: Promise<Error>
}

/** The ways to K2: of our own vote, of the votes of those who cannot pay its fee, and of slashes that nobody is paid for. */
export interface Votes {
  outbox: Outbox
  batcher: VoteBatcher
  slasher: Slasher
  cast(vote: FinalVote): Promise<void>
  /** The newest ledger: what it says that stakers have lost. */
  onLedger(cycle: number, ledger: Ledger): void
}

/** What is made later than what asks for it: each is there before anything is started. */
export interface Late {
  keeping: Keeping
  participant: Participant
  gossip: Gossip
  work: Work
  votes: Votes
  meeting: Meeting
  /** The counters that an event of each cycle tells. */
  stats: TaskStatusView['stats']
}

/** Every room of a task, built and not yet started. */
export interface Rooms {
  shared: Shared
  base: Base
  chain: ChainSide
  mesh: MeshSide
  keeping: Keeping
  work: Work
  votes: Votes
  participant: Participant
  gossip: Gossip
  sync: Sync
  meeting: Meeting
  status: TaskStatusView
  /** Where newcomers look for us in vain; null where they do not. */
  hintNotice: () => string | null
}

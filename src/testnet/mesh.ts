/** The nodes of a testnet: started each in a process of its own, staked for, and brought back when somebody kills them. */
import { join } from 'node:path'
import { loopbackHost, tcpOn } from '../config/index.ts'
import { writeKeyFile } from '../identity/index.ts'
import { messageOf, signerOf } from '../k2/index.ts'
import { stake as stakeInstruction } from '../k2/settlement/index.ts'
import type { PassedOver } from '../local-k2/index.ts'
import type { Chain } from './chain.ts'
import { TestnetError } from './errors.ts'
import type { Failure } from './failure.ts'
import type { Meeting } from './meeting.ts'
import { countersOf, type Member, nameOf } from './member.ts'
import { createMemberEvents } from './member-events.ts'
import { stakeOf } from './money.ts'
import type { News } from './news.ts'
import { createNodeProcess } from './node-process.ts'
import { taskFlags } from './node-settings.ts'
import type { State } from './states.ts'
import { seatsOf, type TaskRun } from './task-run.ts'

/** A killed node comes back after this. */
const RESTART_MS = 1_000

export interface MeshInit {
  members: readonly Member[]
  /** Each node's folder is in it. */
  dir: string
  chain: Chain
  runs: readonly TaskRun[]
  /** More flags of `koii-mesh start`, for each node. */
  nodeArgs: string[]
  meeting: Meeting
  news: News
  failure: Failure
  signal: AbortSignal
}

export interface Mesh {
  start(): void
  /** How many nodes have their stakes on K2. */
  stakedCount(): number
  /** Nobody who is killed comes back any more. */
  stop(): Promise<unknown>
}

/** Makes ready what the nodes need. They run from `start` on. */
export async function createMesh({ members, dir, chain, runs, nodeArgs, meeting, news, failure, signal }: MeshInit): Promise<Mesh> {
  const { k2, client, wallet, log } = chain
  let ending = false
  let stakedCount = 0

  for (const { task, seats } of runs) {
    for (const { member, stake } of seats) {
      log.knows(stake, { task, staker: member.pair.address })
    }
  }
  k2.events.on('passedOver', onPassedOver)
  const onNodeEvent = createMemberEvents({
    members,
    runs,
    news,
    onListening: (member) =>
      void stakeFor(member).catch((err) => {
        failure.note(`cannot stake for ${member.name}: ${messageOf(err)}`)
        meeting.giveUp(new TestnetError(failure.reason()!))
      }),
    onProgress: meeting.checkReady
  })
  for (const member of members) {
    const nodeDir = join(dir, member.name)
    const key = join(nodeDir, 'key.json')
    await writeKeyFile(key, member.pair)
    member.process = createNodeProcess({
      name: member.name,
      dir: nodeDir,
      fault: member.fault,
      args: [
        ...['--k2', k2.url, '--key', key, '--data-dir', join(nodeDir, 'data'), '--allow-private'],
        ...['--listen', tcpOn(loopbackHost()), '--log-level', 'info'],
        ...nodeArgs,
        ...(await taskFlags(runs, member === members[0], nodeDir))
      ],
      onEvent: (event) => onNodeEvent(member, event),
      onExit: (how) => onNodeExit(member, how)
    })
  }

  return {
    start: () => members.forEach(startMember),
    stakedCount: () => stakedCount,
    stop() {
      ending = true
      return Promise.all(members.map((member) => member.process.stop()))
    }
  }

  function startMember(member: Member): void {
    member.listens = false
    for (const seat of seatsOf(runs, member)) {
      seat.failed = false
      Object.assign(seat.row, { peers: 0, state: 'starting' })
    }
    member.process.start()
    news.tell('node-started', { name: member.name, node: member.pair.address, pid: member.process.pid() ?? null, fault: member.fault })
  }

  /** It hangs, as far as can be told from outside: what it misses meanwhile is not the others' doing, nor the machine's. */
  function onPassedOver({ follower, waitedMs }: PassedOver): void {
    const member = members.find(({ pair }) => pair.address === follower)
    if (member != null) {
      member.interrupted = true
    }
    const text = `${nameOf(members, follower)} has not said for ${Math.round(waitedMs / 1000)} s that it is done with a slot: slots no longer wait for it`
    news.tell('passed-over', { node: follower, name: nameOf(members, follower), waitedMs }, text)
  }

  function onNodeExit(member: Member, { signal: by, reason }: { signal: string | null; reason: string }): void {
    const counters = countersOf(member)
    if (counters != null) {
      member.past.push(counters)
      member.stats.clear()
    }
    if (by === 'SIGKILL') {
      // somebody tries us: the node comes back, as a service manager would bring it
      member.interrupted = true
      show(member, 'killed')
      news.say(`${member.name} was killed and comes back`)
      news.tell('node-killed', { name: member.name, node: member.pair.address })
      setTimeout(() => {
        if (!signal.aborted && !ending) {
          startMember(member)
        }
      }, RESTART_MS)
      return
    }
    if (signal.aborted) {
      // Ctrl+C in a terminal reaches the nodes, too
      show(member, 'ended')
      return
    }
    member.crashed = reason
    show(member, 'ended')
    news.say(`${member.name} ${reason}`)
    news.tell('node-ended', { name: member.name, node: member.pair.address, reason })
    meeting.giveUp(new TestnetError(`${member.name} ${reason}`))
  }

  function show(member: Member, state: State): void {
    for (const { row } of seatsOf(runs, member)) {
      row.state = state
    }
  }

  async function stakeFor(member: Member): Promise<void> {
    for (const { task } of runs) {
      await client.send(
        [
          stakeInstruction({
            task,
            stakingKey: member.pair.address,
            payer: wallet.address,
            amount: stakeOf(member.fault),
            withdrawAuthority: member.owner.address,
            addressHint: member.hint!
          })
        ],
        [signerOf(wallet), signerOf(member.pair)]
      )
      news.tell('staked', { task, node: member.pair.address, name: member.name, roe: stakeOf(member.fault) })
    }
    stakedCount++
  }
}

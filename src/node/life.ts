import { randomInt } from 'node:crypto'
import bs58 from 'bs58'
import { firstLive, scheduleFor } from '../clock/index.ts'
import { verifyEd25519 } from '../identity/index.ts'
import { contactFault } from '../network/index.ts'
import { createParticipant, type Participant, type ParticipantParts } from '../participant/index.ts'
import { open, signedBytes } from '../wire/index.ts'
import { recordBlocks } from './blocks.ts'
import { nodeClock } from './clock.ts'
import type { Base, ChainSide, Keeping, MeshSide, Work } from './rooms.ts'

/** Cycles of K2's news that a status shows, and that are told again after an absence. */
export const STATUS_CYCLES = 10

/** The staker's life in the task, over what is around it. */
export function createLife(base: Base, chain: ChainSide, mesh: MeshSide, keeping: Keeping, work: Work): Participant {
  const { config, log, own, signing, store, late } = base
  const { k2, paced, slots, stakes, events, timing } = chain
  const participant = createParticipant({
    ...{ task: config.task, genesisHash: chain.genesisHash, account: chain.account, timing, events, log, own },
    clock: nodeClock(slots),
    random: () => randomInt(2 ** 47) / 2 ** 47,
    transport: {
      send: (message) => late.gossip.send(message),
      ask: mesh.lifeSigns.ask,
      providers: mesh.providers,
      providerOf: mesh.providerOf
    },
    chain: {
      stakes,
      task: (minSlot) => k2.task(config.task, minSlot),
      lastVote: k2.lastVote,
      blockhashAt: async (slot) => bs58.decode((await k2.blockAtOrAfter(slot)).blockhash),
      decided: (vote) => late.votes.batcher.decided(vote),
      cast: (vote) => late.votes.cast(vote),
      bring: (vote) => late.votes.batcher.add(vote)
    },
    blocks: recordBlocks(keeping.proofs, config.task),
    runtime: work.runtime,
    archive: keeping.history,
    signer: signing.signer,
    // what was signed, and what that log is worth, is where the key is
    store: { ...store, signerLog: signing.log, ...signing.trust },
    keyState: store.taskSpace(config.task, signing.space, undefined, true),
    verify: verifyEd25519,
    peers: mesh.peers,
    contactFault,
    followBundle: config.followBundle,
    keyIsIdle: base.keyIsIdle,
    dataDir: config.dataDir,
    cyclesTold: STATUS_CYCLES,
    onLedger: (cycle, ledger) => late.votes.onLedger(cycle, ledger),
    onCycle(cycle) {
      keeping.proofs.beginCycle()
      events.emit('stats', { cycle, ...late.stats() })
    },
    onMiddle: keeping.clearAway,
    ...(paced == null ? {} : { pace: paced.work, graceMs: paced.graceMs, fetchGraceMs: paced.answerMs }),
    stopping: base.stopping.signal,
    parts: partsOf(base, chain, mesh)
  })
  signing.hook({ events, liveFrom: () => firstLive(timing, slots.now()), mistrust: participant.guard.mistrust })
  return participant
}

/** What a testnet's faulty nodes put in the place of honest parts, and what they may use. */
function partsOf(
  { parts, signing, late }: Base,
  { network, timing, paced, slots, stakes }: ChainSide,
  { peers }: MeshSide
): ParticipantParts {
  const { records, publish } = parts
  const slot = () => slots.now() ?? 0
  return {
    ...(records == null ? {} : { records }),
    ...(publish == null
      ? {}
      : {
          publish: (honest, { said, send }) =>
            publish(async (body) => void (await honest(body)), {
              keyPair: signing.keyPair(),
              signedBytes: (body) => signedBytes(network, body),
              open: (bytes) => open(bytes, network),
              send(message) {
                said(message)
                return send(message)
              },
              async sendTo(message, chosen) {
                said(message)
                late.gossip.sendTo(
                  message,
                  peers.staked().flatMap(({ peerId, staker }) => (chosen(staker) ? [peerId] : []))
                )
              },
              slot: paced?.asking(slot) ?? slot,
              slotMs: slots.slotMs,
              schedule: (cycle) => scheduleFor(timing, cycle),
              stakes: stakes.at
            })
        })
  }
}

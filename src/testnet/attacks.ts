/**
 * Stakers who gain by breaking the rules, as parts of a real node: each does one thing that the rules have an answer to. What they
 * do is in protocols/rounds and protocols/record; that it earns them nothing is for the testnet's invariants to say.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { signEd25519 } from '../identity/index.ts'
import type { NodeParts, PublishTools } from '../node/index.ts'
import { complain } from '../observe/index.ts'
import { placesOf } from '../record/index.ts'
import { Body, Envelope, FINDINGS, type Finding, LIMITS, type Message } from '../wire/index.ts'
import { wrongValue } from './wrong-value.ts'

export type Attack = 'false-verdict' | 'late-challenge' | 'quota-split' | 'late-release' | 'split-proposer'

/** Signs whatever it is told: the node's Signer would refuse half of it. */
export function say({ keyPair, signedBytes, open }: PublishTools, body: Body): Message {
  const bytes = Body.encode(body)
  const signature = new Uint8Array(signEd25519(signedBytes(bytes), keyPair.secretKey))
  return open(Envelope.encode({ body: bytes, signer: new Uint8Array(keyPair.publicKey), signature }))
}

/** Waits until K2 is so far: 12.7 is in the last third of slot 12. */
async function until(tools: PublishTools, slot: number): Promise<void> {
  while (tools.slot() < Math.floor(slot)) {
    await sleep(tools.slotMs() / 10)
  }
  await sleep((slot - Math.floor(slot)) * tools.slotMs())
}

const challenge = (about: Message, finding: Exclude<Finding, 'valid'>, slot: number): Body => ({
  cycle: about.body.cycle,
  slot,
  challenge: {
    subject: new Uint8Array(about.envelope.signer),
    submission: new Uint8Array(Buffer.from(about.id, 'hex')),
    finding: FINDINGS[finding],
    reason: 'because I say so'
  }
})

/** One finding on everybody, in the last slot in which it may be signed. */
async function verdictsOnAll(tools: PublishTools, cycle: number, finding: Finding): Promise<Message> {
  const { weights } = await tools.stakes(cycle)
  const findings = placesOf(weights).flatMap((staker, place) =>
    staker === tools.keyPair.address ? [] : [{ place, finding: FINDINGS[finding] }]
  )
  return say(tools, { cycle, slot: tools.schedule(cycle).verdictsEndSlot - 1, verdicts: { findings: findings.slice(0, LIMITS.findings) } })
}

/** Half of the others, the same in each cycle. */
const half = (first: boolean) => (staker: string) => (staker.charCodeAt(staker.length - 1) % 2 === 0) === first

/** What is done once a cycle, at the first audit in it: by then it knows what others submitted. */
function onceACycle(run: (tools: PublishTools, cycle: number, submissions: Message[]) => Promise<void>): () => NodeParts {
  return () => {
    const seen = new Map<number, Message[]>()
    let tools: PublishTools | undefined
    return {
      publish: (honest, given) => {
        tools = given
        return honest
      },
      taskHost: (honest) => ({
        ...honest,
        async audit(submission, from, timing, limits) {
          const { cycle } = timing
          const known = seen.get(cycle)
          if (known == null) {
            seen.set(cycle, [submission])
            run(tools!, cycle, seen.get(cycle)!).catch((err: unknown) => complain(`the attack failed: ${String(err)}`))
          } else {
            known.push(submission)
          }
          // it helps nobody: what it finds it keeps to itself
          await honest.audit(submission, from, timing, limits)
          return { finding: 'abstained', reason: '' }
        }
      })
    }
  }
}

/** Made anew for each task of a node: what one remembers is of that task. */
export const ATTACKS: Record<Attack, () => NodeParts> = {
  'false-verdict': onceACycle(async (tools, cycle) => {
    await until(tools, tools.schedule(cycle).verdictsEndSlot - 0.3)
    await tools.send(await verdictsOnAll(tools, cycle, 'invalid'))
  }),
  'late-challenge': onceACycle(async (tools, cycle, submissions) => {
    const { challengeSlot, verdictsEndSlot } = tools.schedule(cycle)
    await until(tools, challengeSlot - 0.3)
    for (const submission of submissions) {
      await tools.send(say(tools, challenge(submission, 'unavailable', challengeSlot - 1)))
    }
    await until(tools, verdictsEndSlot - 0.3)
    await tools.send(await verdictsOnAll(tools, cycle, 'unavailable'))
  }),
  'quota-split': onceACycle(async (tools, cycle, submissions) => {
    const slot = tools.schedule(cycle).sampleSlot
    await until(tools, slot + 1.2)
    // each half hears as many as it takes of one signer, about other submissions, and refuses what the other half has
    for (const first of [true, false]) {
      const about = submissions.filter((_, i) => (i % 2 === 0) === first)
      for (let i = 0; i < 16; i++) {
        await tools.sendTo(
          say(tools, challenge(about[i % Math.max(1, about.length)] ?? submissions[0]!, 'invalid', slot + (i % 2))),
          half(first)
        )
      }
      const at = first ? 1 : 3
      const { verdictsEndSlot } = tools.schedule(cycle)
      await tools.sendTo(say(tools, { cycle, slot: verdictsEndSlot - 1, verdicts: { findings: [{ place: at, finding: 1 }] } }), half(first))
    }
  }),
  'late-release': () => ({
    publish: (honest, tools) => {
      return async (body) => {
        const { submission } = body
        if (submission == null) {
          return honest(body)
        }
        const value = new Uint8Array(Buffer.from(wrongValue(Buffer.from(submission.value).toString())))
        const { audit, lateSlot } = tools.schedule(body.cycle)
        const late = say(tools, { ...body, submission: { ...submission, value } })
        const release = async () => {
          if (body.cycle % 2 === 0) {
            // to all, when nobody looks any more
            await until(tools, lateSlot + 0.5)
            await tools.send(late)
          } else {
            // to some just before auditors draw, and to the others just after
            await until(tools, audit.from + 0.9)
            await tools.sendTo(late, half(true))
            await until(tools, audit.from + 1.9)
            await tools.send(late)
          }
        }
        // beside its node: slots would wait for what it publishes, and it for a slot
        release().catch((err: unknown) => complain(`the attack failed: ${String(err)}`))
      }
    }
  }),
  'split-proposer': () => {
    const others = new Map<number, { cid: Uint8Array<ArrayBuffer>; root: Uint8Array<ArrayBuffer>; totalRewards: bigint }>()
    let tools: PublishTools | undefined
    return {
      records: (honest) => ({
        ...honest,
        // a second record, right like the first: it holds a word of its own that nobody else has
        async build(facts) {
          const built = await honest.build(facts)
          const { cid, root, totalRewards } = await honest.build({
            ...facts,
            messages: [...facts.messages, await verdictsOnAll(tools!, facts.cycle, 'valid')]
          })
          others.set(facts.cycle, { cid: new Uint8Array(cid.bytes), root: new Uint8Array(root), totalRewards })
          return built
        }
      }),
      publish: (honest, given) => {
        tools = given
        return async (body) => {
          const other = others.get(body.cycle)
          if (other == null || (body.record == null && body.approval == null)) {
            return honest(body)
          }
          const { cid, root } = other
          const second =
            body.record == null
              ? { ...body, approval: { ...body.approval!, cid, root } }
              : { ...body, record: { ...body.record, cid, root, totalRewards: other.totalRewards } }
          await given.sendTo(say(given, body), half(true))
          await given.sendTo(say(given, second), half(false))
        }
      }
    }
  }
}

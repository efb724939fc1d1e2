/**
 * Stakers who gain by breaking the rules, as parts of a real node: each does one thing that the rules have an answer to. What they
 * do is in protocols/rounds and protocols/record; that it earns them nothing is for the testnet's invariants to say.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { signEd25519 } from '../identity/index.ts'
import type { NodeParts, PublishTools } from '../node/index.ts'
import { placesOf } from '../record/index.ts'
import { Body, Envelope, FINDINGS, type Finding, type Message } from '../wire/index.ts'
import { wrongValue } from './wrong-value.ts'

export type Attack = 'false-verdict' | 'late-challenge' | 'quota-split' | 'late-release' | 'split-proposer'

/** The way out of messages, once the node has built it: every attack speaks by it alone. */
let tools: PublishTools | undefined

/** Signs whatever it is told: its Signer would refuse half of it. */
function say(body: Body): Message {
  const { keyPair, signedBytes, open } = tools!
  const bytes = Body.encode(body)
  const signature = new Uint8Array(signEd25519(signedBytes(bytes), keyPair.secretKey))
  return open(Envelope.encode({ body: bytes, signer: new Uint8Array(keyPair.publicKey), signature }))
}

/** Waits until K2 is so far: 12.7 is in the last third of slot 12. */
async function until(slot: number): Promise<void> {
  while (tools!.slot() < Math.floor(slot)) {
    await sleep(tools!.slotMs() / 10)
  }
  await sleep((slot - Math.floor(slot)) * tools!.slotMs())
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
async function verdictsOnAll(cycle: number, finding: Finding): Promise<Message> {
  const { weights } = await tools!.stakes(cycle)
  const findings = placesOf(weights).flatMap((staker, place) =>
    staker === tools!.keyPair.address ? [] : [{ place, finding: FINDINGS[finding] }]
  )
  return say({ cycle, slot: tools!.schedule(cycle).verdictsEndSlot - 1, verdicts: { findings: findings.slice(0, 96) } })
}

/** Half of the others, the same in each cycle. */
const half = (first: boolean) => (staker: string) => (staker.charCodeAt(staker.length - 1) % 2 === 0) === first

/** What is done once a cycle, at the first audit in it: by then it knows what others submitted. */
function onceACycle(run: (cycle: number, submissions: Message[]) => Promise<void>): NonNullable<NodeParts['taskHost']> {
  const seen = new Map<number, Message[]>()
  return (honest) => ({
    ...honest,
    async audit(submission, from, timing, limits) {
      const { cycle } = timing
      const known = seen.get(cycle)
      if (known == null) {
        seen.set(cycle, [submission])
        run(cycle, seen.get(cycle)!).catch((err: unknown) => process.stderr.write(`the attack failed: ${String(err)}\n`))
      } else {
        known.push(submission)
      }
      // it helps nobody: what it finds it keeps to itself
      await honest.audit(submission, from, timing, limits)
      return { finding: 'abstained', reason: '' }
    }
  })
}

const listening: NonNullable<NodeParts['publish']> = (honest, given) => {
  tools = given
  return honest
}

export const ATTACKS: Record<Attack, NodeParts> = {
  'false-verdict': {
    publish: listening,
    taskHost: onceACycle(async (cycle) => {
      await until(tools!.schedule(cycle).verdictsEndSlot - 0.3)
      await tools!.send(await verdictsOnAll(cycle, 'invalid'))
    })
  },
  'late-challenge': {
    publish: listening,
    taskHost: onceACycle(async (cycle, submissions) => {
      const { challengeSlot, verdictsEndSlot } = tools!.schedule(cycle)
      await until(challengeSlot - 0.3)
      for (const submission of submissions) {
        await tools!.send(say(challenge(submission, 'unavailable', challengeSlot - 1)))
      }
      await until(verdictsEndSlot - 0.3)
      await tools!.send(await verdictsOnAll(cycle, 'unavailable'))
    })
  },
  'quota-split': {
    publish: listening,
    taskHost: onceACycle(async (cycle, submissions) => {
      const slot = tools!.schedule(cycle).sampleSlot
      await until(slot + 1.2)
      // each half hears as many as it takes of one signer, about other submissions, and refuses what the other half has
      for (const first of [true, false]) {
        const about = submissions.filter((_, i) => (i % 2 === 0) === first)
        for (let i = 0; i < 16; i++) {
          await tools!.sendTo(
            say(challenge(about[i % Math.max(1, about.length)] ?? submissions[0]!, 'invalid', slot + (i % 2))),
            half(first)
          )
        }
        const at = first ? 1 : 3
        const { verdictsEndSlot } = tools!.schedule(cycle)
        await tools!.sendTo(say({ cycle, slot: verdictsEndSlot - 1, verdicts: { findings: [{ place: at, finding: 1 }] } }), half(first))
      }
    })
  },
  'late-release': {
    publish: (honest, given) => {
      tools = given
      return async (body) => {
        const { submission } = body
        if (submission == null) {
          return honest(body)
        }
        const value = new Uint8Array(Buffer.from(wrongValue(Buffer.from(submission.value).toString())))
        const { audit, lateSlot } = given.schedule(body.cycle)
        const late = say({ ...body, submission: { ...submission, value } })
        if (body.cycle % 2 === 0) {
          // to all, when nobody looks any more
          await until(lateSlot + 0.5)
          await given.send(late)
        } else {
          // to some just before auditors draw, and to the others just after
          await until(audit.from + 0.9)
          await given.sendTo(late, half(true))
          await until(audit.from + 1.9)
          await given.send(late)
        }
      }
    }
  },
  'split-proposer': (() => {
    const others = new Map<number, { cid: Uint8Array<ArrayBuffer>; root: Uint8Array<ArrayBuffer>; totalRewards: bigint }>()
    return {
      records: (honest) => ({
        ...honest,
        // a second record, right like the first: it holds a word of its own that nobody else has
        async build(facts) {
          const built = await honest.build(facts)
          const { cid, root, totalRewards } = await honest.build({
            ...facts,
            messages: [...facts.messages, await verdictsOnAll(facts.cycle, 'valid')]
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
          await given.sendTo(say(body), half(true))
          await given.sendTo(say(second), half(false))
        }
      }
    } satisfies NodeParts
  })()
}

/** Attacks on the record and on who may propose it. */
import type { RecordFacts, RoundsEffect } from '../../src/rounds/index.ts'
import type { Message } from '../../src/wire/index.ts'
import { type Adversary, everyCycle, type Power } from './adversary.ts'
import { nobody, type Subject, words } from './words.ts'

type BuildEffect = Extract<RoundsEffect, { type: 'build' }>

/** Everything that its nodes may say, `messages` of each at most. */
export function floods(
  cycles: number,
  { pad, about, messages = 64 }: { pad: number; about: 'standing' | 'nothing'; messages?: number }
): Adversary {
  return {
    name: about === 'standing' ? 'record-bomb' : 'pool-fill',
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ audit }) => audit.from + 4,
        (cycle) => {
          const when = { cycle, slot: power.slot() }
          for (const by of power.own) {
            const subjects: Subject[] =
              about === 'standing'
                ? power.submissions(cycle).filter(({ signer }) => signer !== power.address(by))
                : Array.from({ length: messages }, (_, i) => nobody(`${cycle}/${by}/${i}`))
            for (const body of words.verdicts(
              when,
              subjects.map((subject) => ({ about: subject, finding: 'valid' as const }))
            )) {
              const message = power.sign(by, body, { pad })
              if (message != null) {
                power.publish(message, by)
              }
            }
          }
        }
      )
  }
}

/** Once it proposes, it varies its own signature until the record makes it propose again. */
export function keepsProposing(tries = 400): Adversary {
  const chosen = new Map<number, Promise<RecordFacts>>()
  const grind = async (power: Power, node: number, effect: BuildEffect): Promise<RecordFacts> => {
    const { cycle } = effect
    const self = power.address(node)
    const own = effect.messages.find(({ kind, signer }) => kind === 'submission' && signer === self)
    let record = await power.build(effect, effect.messages)
    for (let variant = 1; own != null && variant < tries && power.proposer(cycle + 1, 0, record.cid) !== self; variant++) {
      const again = power.sign(node, own.body, { variant })!
      record = await power.build(effect, [...effect.messages.filter((message) => message !== own), again])
    }
    return record
  }
  return {
    name: 'grinding',
    build(power, node, effect) {
      if (!chosen.has(effect.cycle)) {
        const base = effect.base.previous?.cid ?? null
        if (power.proposer(effect.cycle, 0, base) === power.address(node)) {
          chosen.set(effect.cycle, grind(power, node, effect))
        }
      }
    },
    publish(power, node, body) {
      const ground = chosen.get(body.cycle)
      const attempt = words.attemptOf(body)
      if (ground == null || attempt == null || !words.isProposal(body)) {
        return true
      }
      power.wait(
        ground.then((record) => {
          const message = power.sign(node, words.proposal({ cycle: body.cycle, slot: power.slot() }, record, attempt))
          power.publish(message!, node)
        })
      )
      return false
    }
  }
}

/**
 * Two proposals of one attempt, each with all faulty approvals towards its own group; then a further message, so that
 * the next proposer's record is a third one.
 */
export function splitsProposals(): Adversary {
  let begun = false
  return {
    name: 'split proposals',
    publish: (power, _node, body) => words.attemptOf(body) == null || power.slot() < power.schedule(body.cycle).proposalSlot,
    vote: () => false,
    build(power, node, effect) {
      if (begun || power.proposer(effect.cycle, 0, effect.base.previous?.cid ?? null) !== power.address(node)) {
        return
      }
      begun = true
      const { cycle } = effect
      const { audit, proposalSlot, attemptSlots } = power.schedule(cycle)
      const groups = [power.honest.slice(0, 4), power.honest.slice(4)]
      const target = power.submissions(cycle).find(({ signer }) => signer === power.address(power.honest[0]!))!
      const optional = power.own.map(
        (by) => power.sign(by, words.verdicts({ cycle, slot: audit.to - 1 }, [{ about: target, finding: 'valid' }])[0]!) as Message
      )
      const records = Promise.all([power.build(effect, effect.messages), power.build(effect, [...effect.messages, optional[0]!])])
      const send = (both: RecordFacts[]) => {
        const when = { cycle, slot: power.slot() }
        for (const [i, record] of both.entries()) {
          power.send(power.sign(node, words.proposal(when, record, 0))!, node, groups[i]!)
          for (const by of power.own) {
            power.send(power.sign(by, words.approval(when, record, 0))!, by, groups[i]!)
          }
        }
      }
      power.wait(records.then(send))
      power.at(proposalSlot + attemptSlots - 1, () => {
        for (const by of power.own.slice(1)) {
          power.send(optional[power.own.indexOf(by)]!, by, power.honest)
        }
      })
    }
  }
}

/** Attacks on the record, on who may propose it and on the agreement about it. */
import type { RecordFacts, RoundsEffect } from '../../src/rounds/index.ts'
import type { Message } from '../../src/wire/index.ts'
import { type Adversary, everyCycle, type Power } from './adversary.ts'
import { diceFrom } from './random.ts'
import { nobody, words } from './words.ts'

type BuildEffect = Extract<RoundsEffect, { type: 'build' }>

/** Everything that its nodes may say, and more of it than may be. */
export function floods(cycles: number, { pad, about }: { pad: number; about: 'standing' | 'nothing' }): Adversary {
  return {
    name: about === 'standing' ? 'record-bomb' : 'pool-fill',
    work: () => null,
    publish: (_power, _node, body) => !words.judges(body),
    start(power) {
      const say = (by: number, message: Message | null) => {
        if (message != null) {
          power.send(message, by, [...power.honest, power.own[0]!])
        }
      }
      everyCycle(
        power,
        cycles,
        ({ submission }) => submission.to - 2,
        (cycle) => {
          for (const [i, by] of power.own.entries()) {
            const long = `${by} ${'v'.repeat(500)}`
            const body = words.submission({ cycle, slot: power.slot() }, long)
            say(by, power.sign(by, body, { pad: Math.min(pad, 1_250) }) ?? power.sign(by, body))
            if (i % 4 === 0) {
              say(by, power.sign(by, words.submission({ cycle, slot: power.slot() }, `another ${long}`)))
            }
          }
        }
      )
      everyCycle(
        power,
        cycles,
        ({ sampleSlot }) => sampleSlot,
        (cycle) => {
          const when = { cycle, slot: power.slot() }
          for (const by of power.own) {
            const subjects = power.submissions(cycle).filter(({ signer }) => signer !== power.address(by))
            const named =
              about === 'standing' ? subjects.slice(0, 10) : Array.from({ length: 300 }, (_, i) => nobody(`${cycle}/${by}/${i}`))
            for (const subject of named) {
              const body = words.challenge(when, subject, 'invalid', 'r'.repeat(160))
              say(by, power.sign(by, body, { pad: 2 * pad }) ?? power.sign(by, body))
              say(by, power.sign(by, words.challenge(when, subject, 'unavailable', 'r'.repeat(160))))
            }
          }
        }
      )
      everyCycle(
        power,
        cycles,
        ({ finalSlot }) => finalSlot,
        (cycle) => {
          const when = { cycle, slot: power.slot() }
          for (const [i, by] of power.own.entries()) {
            for (const finding of i % 4 === 1 ? (['invalid', 'valid', 'unavailable'] as const) : (['unavailable'] as const)) {
              const subjects = power.submissions(cycle).filter(({ signer }) => signer !== power.address(by))
              const body = power.verdicts(
                when,
                subjects.map((subject) => ({ about: subject, finding }))
              )
              say(by, body == null ? null : (power.sign(by, body, { pad }) ?? power.sign(by, body)))
            }
          }
        }
      )
    }
  }
}

/**
 * Once it proposes, it varies its own signature, and which optional messages it takes, until the record makes it propose the next
 * cycle, or the lottery of this one suits it.
 */
export function keepsProposing(tries = 200): Adversary {
  const chosen = new Map<number, Promise<RecordFacts>>()
  const grind = async (power: Power, node: number, effect: BuildEffect): Promise<RecordFacts> => {
    const { cycle } = effect
    const self = power.address(node)
    const own = effect.messages.find(({ kind, signer }) => kind === 'submission' && signer === self)
    let record = await power.build(effect, effect.messages)
    for (let variant = 1; own != null && variant < tries && power.proposer(cycle + 1, 0) !== self; variant++) {
      const again = power.sign(node, own.body, { variant })!
      record = await power.build(effect, [...effect.messages.filter((message) => message !== own), again])
    }
    return record
  }
  return {
    name: 'grinding',
    build(power, node, effect) {
      if (!chosen.has(effect.cycle) && power.proposer(effect.cycle, 0) === power.address(node)) {
        chosen.set(effect.cycle, grind(power, node, effect))
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

/** Messages that nobody needs and that could stand in the record or not: signed in time, kept for later. */
function optionalOf(power: Power, cycle: number): Message[] {
  const { verdictsEndSlot } = power.schedule(cycle)
  const target = power.submissions(cycle).find(({ signer }) => signer === power.address(power.honest[0]!))
  const body = target == null ? null : power.verdicts({ cycle, slot: verdictsEndSlot - 1 }, [{ about: target, finding: 'valid' }])
  return body == null ? [] : power.own.map((by) => power.sign(by, body)!)
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
      if (begun || power.proposer(effect.cycle, 0) !== power.address(node)) {
        return
      }
      begun = true
      const { cycle } = effect
      const { proposalSlot, attemptSlots } = power.schedule(cycle)
      const groups = [power.honest.slice(0, 4), power.honest.slice(4)]
      const optional = optionalOf(power, cycle)
      const records = Promise.all([
        power.build(effect, effect.messages),
        power.build(effect, [...effect.messages, ...optional.slice(0, 1)])
      ])
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
          const late = optional[power.own.indexOf(by)]
          if (late != null) {
            power.send(late, by, power.honest)
          }
        }
      })
    }
  }
}

/**
 * The race for a quorum: in every attempt its proposers show each side another record, and its approvals of whatever the honest
 * approve are held back and let out around the ends of attempts and their margins, to some, for one record or for all.
 */
export function racesApprovals(seed: number): Adversary {
  const dice = diceFrom(seed)
  const begun = new Set<number>()
  return {
    name: 'race',
    publish: (_power, _node, body) => words.attemptOf(body) == null,
    vote: () => false,
    build(power, _node, effect) {
      const { cycle } = effect
      if (begun.has(cycle)) {
        return
      }
      begun.add(cycle)
      const schedule = power.schedule(cycle)
      const { proposalSlot, attemptSlots, marginSlots, distribution } = schedule
      const optional = optionalOf(power, cycle)
      const some = () => power.honest.filter(() => dice.chance(0.5))
      const records = Promise.all([0, 1, 2].map((i) => power.build(effect, [...effect.messages, ...optional.slice(0, i)])))
      const approve = (attempt: number, record: RecordFacts, to: readonly number[]) => {
        const when = { cycle, slot: Math.min(power.slot(), distribution.to - 1) }
        for (const by of power.own) {
          power.send(power.sign(by, words.approval(when, record, attempt))!, by, to)
        }
      }
      const propose = (attempt: number, known: RecordFacts[]) => {
        const proposer = power.own.find((by) => power.address(by) === power.proposer(cycle, attempt))
        if (proposer != null) {
          const side = some()
          const [one, other] = [dice.pick(known), dice.pick(known)]
          const when = { cycle, slot: power.slot() }
          power.send(power.sign(proposer, words.proposal(when, one, attempt))!, proposer, side)
          power.send(
            power.sign(proposer, words.proposal(when, other, attempt))!,
            proposer,
            power.honest.filter((node) => !side.includes(node))
          )
        }
      }
      power.wait(
        records.then((known) => {
          for (let attempt = 0; attempt < 5; attempt++) {
            const start = proposalSlot + attempt * attemptSlots
            const end = start + attemptSlots
            power.at(start + dice.pick([0.05, marginSlots, attemptSlots - marginSlots - 1]), () => propose(attempt, power.records(cycle)))
            for (let i = 0; i < 3; i++) {
              const edge = dice.pick([start, start + marginSlots, end - marginSlots, end, end + marginSlots, end + attemptSlots])
              power.at(edge - dice.pick([0.5, 0.3, 0.25, 0.2, 0.1, -0.1]), () => {
                const approved = power.heard(cycle).filter(({ kind, body }) => kind === 'approval' && body.approval!.attempt === attempt)
                const cids = new Set(approved.map((message) => power.cidOf(message)))
                const backed = power.records(cycle).filter(({ cid }) => cids.has(cid))
                approve(attempt, dice.pick(backed.length > 0 ? backed : known), dice.chance(0.3) ? power.honest : some())
              })
            }
          }
        })
      )
    }
  }
}

/** At the start of each attempt one of its nodes turns out to have submitted twice, to everybody but the proposer. */
export function convictsItselfLate(cycles: number): Adversary {
  return {
    name: 'late twin',
    publish: (_power, _node, body) => words.attemptOf(body) == null,
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ distribution }) => distribution.from,
        (cycle) => {
          const { submission, proposalSlot, attemptSlots, marginSlots } = power.schedule(cycle)
          const waiting = [...power.own]
          for (let attempt = 0; attempt < 5; attempt++) {
            const proposer = power.honest.find((node) => power.address(node) === power.proposer(cycle, attempt))
            const by = proposer == null ? undefined : waiting.shift()
            if (by != null) {
              const start = proposalSlot + attempt * attemptSlots + (attempt === 0 ? 0 : marginSlots)
              const twin = power.sign(by, words.submission({ cycle, slot: submission.from }, 'twin'))!
              const others = power.honest.filter((node) => node !== proposer)
              power.at(start - 0.3, () => power.send(twin, by, others))
            }
          }
        }
      )
  }
}

/**
 * In the first attempt one of its nodes shows four another record than the others, and two of the four get a quorum for theirs in its
 * last moment, so that nobody else votes by it. In the next attempt another of its nodes proposes the other record to all.
 */
export function provokesSecondVote(): Adversary {
  let begun = false
  return {
    name: 'second vote',
    publish: (_power, _node, body) => words.attemptOf(body) == null,
    vote: () => false,
    build(power, _node, effect) {
      if (begun) {
        return
      }
      begun = true
      const { cycle } = effect
      const { proposalSlot, attemptSlots, marginSlots } = power.schedule(cycle)
      const [four, two] = [power.honest.slice(0, 4), power.honest.slice(0, 2)]
      const records = Promise.all([0, 1].map((i) => power.build(effect, [...effect.messages, ...optionalOf(power, cycle).slice(0, i)])))
      const propose = (attempt: number, record: RecordFacts, to: readonly number[]) => {
        const by = power.own.find((node) => power.address(node) === power.proposer(cycle, attempt))
        if (by != null) {
          power.send(power.sign(by, words.proposal({ cycle, slot: power.slot() }, record, attempt))!, by, to)
        }
      }
      const approve = (attempt: number, record: RecordFacts, to: readonly number[]) => {
        for (const by of power.own) {
          power.send(power.sign(by, words.approval({ cycle, slot: power.slot() }, record, attempt))!, by, to)
        }
      }
      power.wait(
        records.then(([one, other]) => {
          propose(0, one!, four)
          propose(0, other!, power.honest.slice(4))
          const second = proposalSlot + attemptSlots
          power.at(second - marginSlots - 0.25, () => approve(0, one!, two))
          power.at(second + 0.05, () => propose(1, other!, power.honest))
          power.at(second + 1, () => approve(1, other!, power.honest))
        })
      )
    }
  }
}

/** Whatever may stand in a record and was held back comes out while an honest proposer builds, one message after the other. */
export function starvesProposer(cycles: number): Adversary {
  return {
    name: 'starve the proposer',
    publish: (_power, _node, body) => !words.judges(body) && words.attemptOf(body) == null,
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ proposalSlot }) => proposalSlot - 1,
        (cycle) => {
          const { challengeSlot, proposalSlot } = power.schedule(cycle)
          const when = { cycle, slot: challengeSlot - 1 }
          const subjects = power.submissions(cycle).filter(({ signer }) => power.honest.some((node) => power.address(node) === signer))
          const held = power.own.flatMap((by) =>
            Array.from({ length: subjects.length === 0 ? 0 : 8 }, (_, i) => {
              const about = subjects[i % subjects.length]!
              return { by, message: power.sign(by, words.challenge(when, about, 'unavailable', `reason ${i}`))! }
            })
          )
          for (const [i, { by, message }] of held.entries()) {
            power.at(proposalSlot - 0.3 + i * 0.4, () => power.send(message, by, power.honest))
          }
        }
      )
  }
}

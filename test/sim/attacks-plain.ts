/** The plain ways of being faulty, three of ten equal stakes each: none of them breaks a promise. */
import { type Adversary, everyCycle } from './adversary.ts'
import { words } from './words.ts'

const CYCLES = 3

export const PLAIN: Array<{ what: string; adversary: () => Adversary }> = [
  { what: 'takes no part', adversary: () => ({ name: 'absent', absent: true }) },
  {
    what: 'approves and votes nothing',
    adversary: () => ({
      name: 'deny',
      publish: (_power, _node, body) => words.attemptOf(body) == null || words.isProposal(body),
      vote: () => false
    })
  },
  { what: 'passes nothing on', adversary: () => ({ name: 'drop', silentRelay: true }) },
  { what: 'gives its proofs to nobody', adversary: () => ({ name: 'withhold proofs', work: () => ({ quality: 'missing' }) }) },
  {
    what: 'gives its proofs to every second node',
    adversary: () => ({ name: 'serve some', work: () => ({ quality: 'good', servedTo: (to) => to % 2 === 0 }) })
  },
  { what: 'submits garbage', adversary: () => ({ name: 'bad proof', work: () => ({ quality: 'bad', value: 'garbage' }) }) },
  {
    what: 'submits two things',
    adversary: () => ({
      name: 'equivocate',
      start: (power) =>
        everyCycle(
          power,
          CYCLES,
          ({ submission }) => submission.to - 1,
          (cycle) => {
            for (const by of power.own) {
              power.publish(power.sign(by, words.submission({ cycle, slot: power.slot() }, 'another'))!, by)
            }
          }
        )
    })
  },
  {
    what: 'says everything that it hears ten times',
    adversary: () => ({
      name: 'repeat',
      hear(power, node, message) {
        for (let i = 0; i < 10; i++) {
          power.send(message, node, power.honest)
        }
      }
    })
  },
  {
    what: 'proposes and approves a record without the others’ work',
    adversary: () => ({
      name: 'propose wrong records',
      build(power, node, effect) {
        const own = effect.messages.filter(({ signer }) => power.own.some((other) => power.address(other) === signer))
        power.wait(
          power.build(effect, own).then((record) => {
            const when = { cycle: effect.cycle, slot: power.slot() }
            for (let attempt = 0; attempt < 6; attempt++) {
              power.publish(power.sign(node, words.proposal(when, record, attempt))!, node)
              power.publish(power.sign(node, words.approval(when, record, attempt))!, node)
            }
          })
        )
      },
      publish: (_power, _node, body) => words.attemptOf(body) == null
    })
  },
  {
    what: 'says the opposite of what it finds',
    adversary: () => ({
      name: 'lie in audits',
      audit: (_power, _node, _submission, truth) => (truth === 'valid' ? 'invalid' : 'valid')
    })
  },
  {
    what: 'submits garbage and calls it valid, and all other work invalid',
    adversary: () => ({
      name: 'collude',
      work: () => ({ quality: 'bad', value: 'garbage' }),
      audit: (power, _node, submission) => (power.own.some((node) => power.address(node) === submission.signer) ? 'valid' : 'invalid')
    })
  }
]

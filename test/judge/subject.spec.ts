import { expect } from 'chai'
import { type Body, KINDS, type Message } from '../../src/wire/index.ts'
import { keyOf } from '../network/mesh.ts'
import { AUDITING, by, CYCLE, challenge, court, response, slotIn, submission } from './court.ts'

describe('judge: about a submission', () => {
  let bobs: Message
  let here: ReturnType<typeof court>
  beforeEach(async () => {
    here = court(AUDITING)
    bobs = await by('bob', submission())
  })

  it('takes a challenge and a response once the submission is here, and not before', async () => {
    const [accusation, answer] = [await by('alice', challenge(bobs)), await by('bob', response(bobs))]
    expect([here.say(accusation.bytes), here.say(answer.bytes)]).to.deep.equal(['unknown-subject', 'unknown-subject'])
    expect(here.pool.isSettled(accusation.id)).to.equal(false)
    here.say(bobs.bytes)
    expect([here.say(accusation.bytes), here.say(answer.bytes)]).to.deep.equal(['accept', 'accept'])
  })

  it('lets nobody use up a quota with words about what is not here', async () => {
    for (let at = 0; at < 3 * KINDS.challenge.perCycle; at++) {
      const made = { ...challenge(bobs, { submission: new Uint8Array(32).fill(at) }) }
      expect(here.say((await by('alice', made)).bytes)).to.equal('unknown-subject')
    }
    here.say(bobs.bytes)
    expect(here.say((await by('alice', challenge(bobs))).bytes)).to.equal('accept')
    expect(here.pool.size).to.equal(2)
  })

  const nonsense: Array<[name: string, body: () => Promise<Body>, signer: string]> = [
    [
      'a challenge that names another submitter',
      async () => challenge(bobs, { subject: keyOf('carol').publicKey as Uint8Array<ArrayBuffer> }),
      'alice'
    ],
    ["a challenge of one's own", async () => challenge(bobs), 'bob'],
    ["a response for another's submission", async () => response(bobs), 'alice'],
    [
      'a challenge of a challenge',
      async () => challenge(await accepted('carol', challenge(bobs)), { subject: keyOf('carol').publicKey as Uint8Array<ArrayBuffer> }),
      'alice'
    ],
    ['a response about a challenge', async () => response(await accepted('carol', challenge(bobs))), 'carol'],
    ['a challenge of a submission of the cycle before', async () => challenge(await accepted('bob', earlier())), 'alice']
  ]
  const earlier = () => submission({ cycle: CYCLE - 2, slot: slotIn(CYCLE - 2, 'submission') })
  const accepted = async (name: string, body: Body) => {
    const message = await by(name, body)
    expect(here.say(message.bytes)).to.equal('accept')
    return message
  }
  for (const [name, body, signer] of nonsense) {
    it(`says of ${name}: meaningless`, async () => {
      here.say(bobs.bytes)
      expect(here.say((await by(signer, await body())).bytes)).to.equal('meaningless')
    })
  }
})

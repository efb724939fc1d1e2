import { expect } from 'chai'
import { WebSocket } from 'ws'
import { MAX_FOLLOWERS, type PaceQuestion, Pacer, type PaceSeat } from '../../src/local-k2/pacer.ts'
import { type Fixture, manualClock, startK2 } from './support.ts'

const SLOT_MS = 100
const SILENCE_MS = 10_000
const LONGEST_MS = 60_000
/** K2 looks some times more, in case it was itself that had no time. */
const LOOKS_MS = 3000

/** A pacer whose time and followers are moved by hand. */
function stage() {
  const clock = manualClock(0)
  const told: string[] = []
  let slot = 1
  const pacer = new Pacer({
    clock,
    slotMs: SLOT_MS,
    silenceMs: SILENCE_MS,
    longestMs: LONGEST_MS,
    slot: () => slot,
    tick: () => {
      slot++
    },
    onPassedOver: ({ follower }) => void told.push(follower)
  })
  /** Answers what it is asked while `ready`; what it was asked last can be answered by hand. */
  const follow = (name: string, ready = true) => {
    const one = {
      ready,
      moves: 0,
      asked: [] as PaceQuestion[],
      seat: undefined as PaceSeat | undefined,
      answer() {
        one.seat!.done(one.asked.at(-1)!, one.moves)
      }
    }
    one.seat = pacer.join(name, (question) => {
      one.asked.push(question)
      if (one.ready) {
        queueMicrotask(() => one.seat!.done(question, one.moves))
      }
    })
    return one
  }
  /** Lets time pass in small steps, and what it sets off happen. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10) {
      clock.advance(Math.min(10, left))
      for (let i = 0; i < 10; i++) {
        await Promise.resolve()
      }
    }
  }
  return { pacer, follow, pass, told, clock, slot: () => slot }
}

describe('local K2: slots that wait for those who follow them', () => {
  it('without followers a slot takes what was asked, and no less', async () => {
    const { pacer, pass, slot } = stage()
    pacer.start()
    await pass(SLOT_MS - 10)
    expect(slot()).to.equal(1)
    await pass(10)
    expect(slot()).to.equal(2)
    await pass(5 * SLOT_MS)
    expect(slot()).to.equal(7)
  })

  it('a slot lasts until every follower is done with it, and never less than was asked', async () => {
    const { pacer, follow, pass, slot } = stage()
    pacer.start()
    const quick = follow('quick')
    const slow = follow('slow')
    await pass(SLOT_MS)
    expect(slot()).to.equal(2)
    slow.ready = false
    await pass(SLOT_MS)
    const since = slot()
    await pass(30 * SLOT_MS)
    expect(slot()).to.equal(since)
    expect(quick.asked.at(-1)!.slot).to.equal(since)
    slow.ready = true
    slow.answer()
    await pass(10)
    expect(slot()).to.equal(since + 1)
    await pass(SLOT_MS - 20)
    expect(slot(), 'the next one is as long as ever').to.equal(since + 1)
  })

  it('ends no slot before two turns in which nothing moved: what one has just said, the others hear in it', async () => {
    const { pacer, follow, pass, slot } = stage()
    pacer.start()
    const alice = follow('alice')
    const bob = follow('bob')
    await pass(SLOT_MS)
    const at = slot()
    // alice says something that bob has not heard when he answers first
    await pass(SLOT_MS - 20)
    alice.moves = 1
    bob.ready = false
    await pass(20)
    expect(bob.asked.at(-1)).to.deep.equal({ slot: at, turn: 2 })
    bob.moves = 1 // he heard it meanwhile
    bob.answer()
    await pass(10)
    expect(bob.asked.at(-1), 'asked once more, as there was something new').to.deep.equal({ slot: at, turn: 3 })
    expect(slot()).to.equal(at)
    bob.answer()
    await pass(10)
    expect(slot()).to.equal(at + 1)
  })

  it('one that answers only to be waited for again is waited for ever less often', async () => {
    const { pacer, follow, pass, slot } = stage()
    pacer.start()
    follow('honest')
    const staller = follow('staller')
    // the first turn of each slot, and no other
    Object.defineProperty(staller, 'ready', { get: () => staller.asked.at(-1)?.turn === 1 })
    const begin = slot()
    await pass(120 * 10_000)
    // were it waited for after each of its answers, every slot would take its silence: some hundred in all
    expect(slot() - begin).to.be.above(1_000)
  })

  it('a follower that never comes to rest costs a slot some turns, and no more', async () => {
    const { pacer, follow, pass, slot } = stage()
    pacer.start()
    const restless = follow('restless')
    Object.defineProperty(restless, 'moves', { get: () => Math.random() * 2 ** 40 })
    await pass(10 * SLOT_MS)
    expect(slot()).to.be.at.least(8)
    expect(Math.max(...restless.asked.map(({ turn }) => turn))).to.be.within(3, 32)
  })

  it('one that hangs costs the bound once, is told of, and is waited for again once it speaks', async () => {
    const { pacer, follow, pass, told, slot } = stage()
    pacer.start()
    follow('quick')
    const hung = follow('hung')
    await pass(SLOT_MS)
    hung.ready = false
    await pass(SLOT_MS)
    const at = slot()
    await pass(SILENCE_MS - 3 * SLOT_MS)
    expect(slot()).to.equal(at)
    await pass(LOOKS_MS + 5 * SLOT_MS)
    expect(slot()).to.be.greaterThan(at)
    const before = slot()
    await pass(10 * SLOT_MS)
    expect(slot(), 'nobody waits for it').to.be.at.least(before + 9)
    expect(told).to.deep.equal(['hung'])
    expect(pacer.facts().waitedFor!.name).to.equal('hung')
    // an answer to an old question is a sign of life, and no more
    hung.seat!.done(hung.asked[0]!, 0)
    const still = slot()
    await pass(2 * SLOT_MS)
    expect(slot()).to.be.greaterThan(still)
    hung.answer()
    await pass(SLOT_MS)
    const back = slot()
    await pass(20 * SLOT_MS)
    expect(slot(), 'waited for again').to.equal(back)
  })

  it('a K2 that had no time itself calls nobody silent who has spoken meanwhile', async () => {
    const { pacer, follow, pass, told, clock, slot } = stage()
    pacer.start()
    const slow = follow('slow')
    await pass(SLOT_MS)
    slow.ready = false
    await pass(SLOT_MS)
    const at = slot()
    for (let i = 0; i < 5; i++) {
      // the timer goes off late, and before what has arrived is read
      clock.advance(SILENCE_MS + 500)
      slow.seat!.busy()
      await pass(1000)
    }
    expect(slot()).to.equal(at)
    expect(told).to.deep.equal([])
  })

  it('one that is slow and says so is waited for longer, within a bound', async () => {
    const { pacer, follow, pass, slot } = stage()
    pacer.start()
    const slow = follow('slow')
    await pass(SLOT_MS)
    slow.ready = false
    await pass(SLOT_MS)
    const at = slot()
    for (let ms = 0; ms < LONGEST_MS - 3000; ms += 1000) {
      slow.seat!.busy()
      await pass(1000)
    }
    expect(slot()).to.equal(at)
    for (let ms = 0; ms < 5000 + LOOKS_MS; ms += 1000) {
      slow.seat!.busy()
      await pass(1000)
    }
    expect(slot()).to.be.greaterThan(at)
  })

  it('one that is gone is waited for no longer, at once; one that came is waited for when it first says that it is there', async () => {
    const { pacer, follow, pass, slot } = stage()
    pacer.start()
    follow('quick')
    const leaver = follow('leaver')
    await pass(SLOT_MS)
    leaver.ready = false
    await pass(3 * SLOT_MS)
    const at = slot()
    leaver.seat!.leave()
    await pass(10)
    expect(slot()).to.equal(at + 1)
    // a second process of it, which takes its time to start
    const back = follow('leaver', false)
    await pass(5 * SLOT_MS)
    expect(slot()).to.be.at.least(at + 5)
    back.answer()
    const since = slot()
    await pass(5 * SLOT_MS)
    expect(slot()).to.be.at.most(since + 1)
  })

  it('held, it ends no slot; released, the slot in progress gets its full length', async () => {
    const { pacer, follow, pass, slot } = stage()
    pacer.start()
    follow('one')
    await pass(SLOT_MS)
    pacer.hold()
    await pass(10 * SLOT_MS)
    expect(slot()).to.equal(2)
    pacer.release()
    await pass(SLOT_MS - 10)
    expect(slot()).to.equal(2)
    await pass(20)
    expect(slot()).to.equal(3)
    pacer.stop()
    await pass(10 * SLOT_MS)
    expect(slot()).to.equal(3)
  })

  it('told not to wait, it goes on as asked; told to wait again, it waits, and tells of the slots since', async () => {
    const { pacer, follow, pass, slot } = stage()
    pacer.wait(false)
    pacer.start()
    const slow = follow('slow')
    await pass(SLOT_MS)
    slow.ready = false
    await pass(10 * SLOT_MS)
    expect(slot()).to.equal(12)
    pacer.wait(true)
    await pass(10 * SLOT_MS)
    expect(slot()).to.be.within(12, 13)
    slow.ready = true
    slow.answer()
    await pass(20)
    expect(pacer.facts().longest).to.be.within(9 * SLOT_MS, 11 * SLOT_MS)
  })

  it('takes so many followers and no more', () => {
    const { pacer, follow } = stage()
    pacer.start()
    for (let i = 0; i < MAX_FOLLOWERS; i++) {
      expect(follow(`f${i}`).seat).not.to.equal(undefined)
    }
    expect(follow('one more').seat).to.equal(undefined)
  })

  it('gives the seat of one that never says anything to somebody else', async () => {
    const { pacer, follow, pass } = stage()
    pacer.start()
    for (let i = 0; i < MAX_FOLLOWERS; i++) {
      follow(`silent ${i}`, false)
    }
    expect(follow('at once').seat).to.equal(undefined)
    await pass(SILENCE_MS)
    expect(follow('later').seat).not.to.equal(undefined)
  })

  it('tells what was asked and what slots took', async () => {
    const { pacer, follow, pass } = stage()
    pacer.start()
    const slow = follow('slow')
    await pass(5 * SLOT_MS)
    slow.ready = false
    await pass(10 * SLOT_MS)
    slow.ready = true
    slow.answer()
    await pass(5 * SLOT_MS)
    const { asked, median, longest, waitedFor } = pacer.facts()
    expect({ asked, median }).to.deep.equal({ asked: SLOT_MS, median: SLOT_MS })
    expect(longest).to.be.within(9 * SLOT_MS, 11 * SLOT_MS)
    expect(waitedFor!.name).to.equal('slow')
    expect(waitedFor!.ms).to.be.within(8 * SLOT_MS, 11 * SLOT_MS)
  })

  describe('over its WebSocket', () => {
    let f: Fixture
    const sockets: WebSocket[] = []
    afterEach(async () => {
      for (const socket of sockets.splice(0)) {
        socket.terminate()
      }
      await f.close()
    })

    /** A connection, what it is told, and the answers to what it asks. */
    async function dial() {
      const socket = new WebSocket(f.k2.wsUrl)
      sockets.push(socket)
      const told: Array<{
        id?: number
        result?: unknown
        error?: { code: number }
        params?: { result: PaceQuestion; subscription: number }
      }> = []
      const wakers = new Set<() => void>()
      socket.on('message', (data) => {
        told.push(JSON.parse(data.toString()))
        for (const wake of wakers) {
          wake()
        }
      })
      await new Promise((resolve) => socket.once('open', resolve))
      const until = async (found: () => boolean) => {
        while (!found()) {
          await new Promise<void>((resolve) => wakers.add(resolve))
        }
      }
      let ids = 0
      return {
        told,
        until,
        say: (method: string, params: unknown[]) => socket.send(JSON.stringify({ jsonrpc: '2.0', method, params })),
        async call(method: string, params: unknown[]) {
          const id = ++ids
          socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
          await until(() => told.some((one) => one.id === id))
          return told.find((one) => one.id === id)!
        },
        close: () => socket.terminate()
      }
    }

    it('a strict K2 knows no such method, and says nothing of its pace', async () => {
      f = await startK2({ slotMs: 20 })
      const { call } = await dial()
      expect((await call('paceSubscribe', [{ name: 'me' }])).error!.code).to.equal(-32601)
      expect((await f.call('getVersion')).result).not.to.have.property('koii-mesh-pace')
      expect(f.k2.pace()).to.equal(undefined)
    })

    it('waits for who has said that it is done with a slot, until that one hangs up', async () => {
      f = await startK2({ slotMs: 20, pace: 'auto', ticking: true })
      expect((await f.call('getVersion')).result['koii-mesh-pace']).to.equal('auto')
      const { told, until, say, call, close } = await dial()
      const id = (await call('paceSubscribe', [{ name: 'me' }])).result
      const questions = () => told.flatMap((one) => (one.params?.subscription === id ? [one.params!.result] : []))
      let answered = 0
      const answerAll = () => {
        for (; answered < questions().length; answered++) {
          const { slot, turn } = questions()[answered]!
          say('paceDone', [id, slot, turn, 0])
        }
      }
      await until(() => {
        answerAll()
        return questions().length > 6
      })
      // it says no more: the slot of the last question does not end
      await until(() => questions().at(-1)!.turn === 1 || questions().length > answered)
      const { slot } = questions().at(-1)!
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(f.k2.slot()).to.be.at.most(slot + 1)
      const begun = f.k2.slot()
      const next = new Promise<void>((resolve) => f.k2.events.once('slot', () => resolve()))
      const passed: unknown[] = []
      f.k2.events.on('passedOver', (one) => passed.push(one))
      close()
      await next
      expect(passed, 'it is gone at once, and not after a while of silence').to.deep.equal([])
      expect(f.k2.slot()).to.be.greaterThan(begun)
    })

    it('refuses what makes no sense, seats beyond a few, and another connection’s seat', async () => {
      f = await startK2({ slotMs: 20, pace: 'auto' })
      const { call } = await dial()
      for (const params of [[], [{}], [{ name: '' }], [{ name: 'x'.repeat(65) }], ['me'], [{ name: 'a' }, 1]]) {
        expect((await call('paceSubscribe', params)).error!.code, JSON.stringify(params)).to.equal(-32602)
      }
      const id = (await call('paceSubscribe', [{ name: 'me' }])).result as number
      for (const params of [[id], [id, -1, 1, 0], [id, 1.5, 1, 0], [id, 1, 1, '0'], [id, 1, 1, 2 ** 60], [id + 9, 1, 1, 0]]) {
        expect((await call('paceDone', params)).error!.code, JSON.stringify(params)).to.equal(-32602)
      }
      expect((await (await dial()).call('paceDone', [id, 1, 1, 0])).error!.code).to.equal(-32602)
      expect((await call('paceNothing', [])).error!.code).to.equal(-32601)
      for (let i = 0; i < 3; i++) {
        expect((await call('paceSubscribe', [{ name: 'me' }])).error).to.equal(undefined)
      }
      expect((await call('paceSubscribe', [{ name: 'me' }])).error!.code).to.equal(-32603)
      expect((await call('paceUnsubscribe', [id])).result).to.equal(true)
      expect((await call('paceSubscribe', [{ name: 'me' }])).error).to.equal(undefined)
    })
  })
})

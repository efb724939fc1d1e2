import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { createK2Client, createSlots, type SlotSource, type Slots } from '../../src/k2/index.ts'
import { createLocalK2 } from '../../src/local-k2/index.ts'
import { eventually, silent } from './chain.ts'

/** An endpoint that says what it is told to. */
function endpoint(first: number) {
  let listener: (slot: number) => void = () => {}
  let answer = async () => first
  const source: SlotSource = {
    name: 'one',
    slot: () => answer(),
    onSlot: (given) => {
      listener = given
      return () => {
        listener = () => {}
      }
    },
    renew: () => {},
    dropped: () => false
  }
  return {
    source,
    k2: { slotSources: [source] },
    say: (slot: number) => listener(slot),
    answer: (next: () => Promise<number>) => {
      answer = next
    }
  }
}

describe('k2: slots', () => {
  let slots: Slots | undefined
  afterEach(() => slots?.stop())

  it('never go back nor jump, whatever the endpoint says of a sudden', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.integer({ min: -5, max: 200 }), fc.constantFrom(Number.NaN, 1.5, 2 ** 50))), async (said) => {
        const { k2, say } = endpoint(50)
        const one = createSlots({ k2, log: silent, nowMs: () => 0 })
        try {
          await one.start()
          const heard: number[] = []
          one.on((slot) => heard.push(slot))
          for (const slot of said) {
            const before = one.now()!
            say(slot)
            expect(one.now()).to.be.oneOf([before, slot])
            expect(one.now()).to.be.within(before, 50 + 32)
          }
          // each that is news is told once
          expect(heard).to.deep.equal([...new Set(heard)].sort((a, b) => a - b))
          expect(heard.at(-1) ?? 50).to.equal(one.now())
        } finally {
          await one.stop()
        }
      }),
      { numRuns: 50 }
    )
  })

  it('are undefined until K2 has answered, and tell nobody who has left', async () => {
    const { k2, say } = endpoint(7)
    slots = createSlots({ k2, log: silent })
    expect(slots.now()).to.equal(undefined)
    await slots.start()
    expect(slots.now()).to.equal(7)
    const heard: number[] = []
    const leave = slots.on((slot) => heard.push(slot))
    say(8)
    leave()
    say(9)
    expect(heard).to.deep.equal([8])
    expect(slots.now()).to.equal(9)
  })

  it('go on for all others when one who listens fails, as on a full disk', async () => {
    const { k2, say } = endpoint(7)
    slots = createSlots({ k2, log: silent })
    await slots.start()
    const heard: number[] = []
    slots.on(() => {
      throw new Error('database or disk is full')
    })
    slots.on((slot) => heard.push(slot))
    say(8)
    say(9)
    expect(heard).to.deep.equal([8, 9])
  })

  it('measure their length, and take a jump for a jump', async () => {
    let ms = 0
    const { k2, say } = endpoint(0)
    slots = createSlots({ k2, log: silent, nowMs: () => ms })
    expect(slots.slotMs()).to.equal(400)
    await slots.start()
    for (let slot = 1; slot <= 16; slot++) {
      ms += 100
      say(slot)
    }
    expect(slots.slotMs()).to.equal(100)
    // a chain that is warped a thousand slots ahead did not become a thousand times quicker
    for (let slot = 1016; slot <= 1032; slot++) {
      ms += 100
      say(slot)
      expect(slots.slotMs()).to.equal(100)
    }
    expect(slots.now()).to.equal(1032)
    for (let slot = 1033; slot <= 1040; slot++) {
      ms += 50
      say(slot)
    }
    expect(slots.slotMs()).to.equal(50)
  })

  it('keep their length over a leap that is short enough to be believed at once, as when a local K2 is set forward', async () => {
    for (const leap of [9, 27, 64, 150]) {
      let ms = 0
      let slot = 60
      const { k2, say } = endpoint(slot)
      slots = createSlots({ k2, log: silent, nowMs: () => ms })
      await slots.start()
      for (let i = 0; i < 60; i++) {
        ms += 800
        slot += i === 40 ? leap : 1
        say(slot)
        if (i >= 16) {
          expect(slots.slotMs(), `${leap} slots at once, ${i - 40} after it`).to.equal(800)
        }
      }
      expect(slots.now()).to.equal(slot)
      await slots.stop()
    }
  })

  it('go back, and say so, when they had followed a lie', async () => {
    let ms = 0
    const { k2, say } = endpoint(0)
    slots = createSlots({ k2, log: silent, nowMs: () => ms })
    await slots.start()
    const backs: number[] = []
    slots.on((slot, back) => back && backs.push(slot))
    for (let slot = 1; slot < 30; slot++) {
      ms += 400
      say(slot + 5000)
    }
    expect(slots.now()).to.equal(5029)
    for (let slot = 30; slot < 200; slot++) {
      ms += 400
      say(slot)
    }
    expect(slots.now()).to.equal(199)
    expect(backs).to.have.length(1)
  })

  it('come to a far slot at once where a K2 of our own says so, and only forward', async () => {
    const { k2, say } = endpoint(50)
    slots = createSlots({ k2, log: silent, nowMs: () => 0 })
    await slots.start()
    const heard: number[] = []
    slots.on((slot) => heard.push(slot))
    expect(slots.believe(60), 'near, it comes there by itself').to.equal(false)
    expect(slots.believe(40)).to.equal(false)
    expect(heard).to.deep.equal([])
    expect(slots.believe(5000)).to.equal(true)
    expect(slots.now()).to.equal(5000)
    say(5001)
    expect(heard).to.deep.equal([5000, 5001])
  })

  it('dial no subscription again that has nothing to tell, as K2 waits; but one that misses slots', async () => {
    let ms = 0
    const { k2, source, say, answer } = endpoint(50)
    const renewed: number[] = []
    source.renew = () => void renewed.push(ms)
    let asked = 0
    let slot = 50
    answer(async () => {
      asked++
      return slot
    })
    slots = createSlots({ k2, log: silent, nowMs: () => ms })
    await slots.start()
    say(51)
    slot = 51
    // a slot that takes a minute
    for (let at = 0; at < 3; at++) {
      ms += 20_000
      const before = asked
      await eventually('a question', () => (asked > before ? true : undefined))
    }
    expect(renewed).to.deep.equal([])
    slot = 52
    ms += 20_000
    await eventually('a new subscription', () => {
      ms += 1000
      return renewed.length > 0 ? true : undefined
    })
  })

  it('go on when the endpoint dies and comes back', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'koii-mesh-slots-'))
    let k2 = await createLocalK2({ port: 0, slotMs: 20, dataDir })
    await k2.start()
    const port = Number(new URL(k2.url).port)
    const client = createK2Client({ url: k2.url })
    try {
      slots = createSlots({ k2: client, log: silent })
      await slots.start()
      const before = slots.now()!
      await eventually('slots', () => (slots!.now()! > before + 3 ? true : undefined))
      await k2.stop()
      const dead = slots.now()!
      await new Promise((resolve) => setTimeout(resolve, 500))
      expect(slots.now()).to.be.at.least(dead)
      k2 = await createLocalK2({ port, slotMs: 20, dataDir })
      await k2.start()
      await eventually('slots of the one that came back', () => (slots!.now()! > dead + 5 ? true : undefined))
      // and by the subscription: the one that came back has one again
      await eventually('a subscription', () => (k2.subscriptionCount === 1 ? true : undefined))
    } finally {
      await slots?.stop()
      client.close()
      await k2.stop()
      await rm(dataDir, { recursive: true })
    }
  })
})

import { expect } from 'chai'
import { createLineWriter } from '../../src/observe/line-writer.ts'

describe('observe: lines on a descriptor', () => {
  const world = () => {
    let text = ''
    let fault: string | null = null
    let room = Number.POSITIVE_INFINITY
    let pauses = 0
    const lines = createLineWriter({
      fd: 9,
      afterLoss: (lost, reason) => `${lost} lost: ${reason}\n`,
      pause: () => pauses++,
      write: (_fd, bytes, offset) => {
        const part = Buffer.from(bytes.subarray(offset, offset + Math.min(room, 4)))
        room -= part.length
        if (part.length === 0 || fault != null) {
          throw Object.assign(new Error('no'), { code: fault ?? 'ENOSPC' })
        }
        text += part
        return part.length
      }
    })
    return {
      lines,
      text: () => text,
      pauses: () => pauses,
      set: (what: { fault?: string | null; room?: number }) => {
        fault = what.fault ?? null
        room = what.room ?? Number.POSITIVE_INFINITY
      }
    }
  }

  it('are written whole, in parts where need be', () => {
    const { lines, text } = world()
    lines.write('a long line\n')
    expect(text()).to.equal('a long line\n')
    expect(lines.trouble()).to.equal(null)
  })

  for (const fault of ['EPIPE', 'EIO', 'ENOSPC']) {
    it(`are lost and counted while there is ${fault}, and that is told afterwards`, () => {
      const { lines, text, set } = world()
      set({ fault })
      lines.write('one\n')
      lines.write('two\n')
      expect(lines.trouble()).to.deep.equal({ reason: fault, lost: 2 })
      set({})
      lines.write('three\n')
      expect(text()).to.equal(`2 lost: ${fault}\nthree\n`)
      expect(lines.trouble()).to.equal(null)
    })
  }

  it('begin anew after one that was cut', () => {
    const { lines, text, set } = world()
    set({ room: 6 })
    lines.write('one line\n')
    expect(text()).to.equal('one li')
    set({})
    lines.write('two\n')
    expect(text()).to.equal('one li\n1 lost: ENOSPC\ntwo\n')
  })

  it('wait for a slow reader, but not for ever', () => {
    const { lines, pauses, set } = world()
    set({ fault: 'EAGAIN' })
    lines.write('one\n')
    expect(pauses()).to.be.within(1, 100)
    expect(lines.trouble()).to.deep.equal({ reason: 'EAGAIN', lost: 1 })
  })
})

import { writeSync } from 'node:fs'

export interface LineWriter {
  /** Never throws: a line that cannot be written is counted, and told of when one can be written again. */
  write(line: string): void
  /** Why lines are lost now, and how many so far; null while they are written. */
  trouble(): { reason: string; lost: number } | null
}

export interface LineWriterInit {
  fd: number
  /** As `fs.writeSync`. */
  write?: (fd: number, bytes: Uint8Array, offset: number) => number
  /** What is said once lines are written again. */
  afterLoss: (lost: number, reason: string) => string
  /** Waits for a reader that is slow. */
  pause?: (ms: number) => void
}

/** A reader that takes nothing for so long loses the line. */
const WAITS = 10
const WAIT_MS = 5

/** Lines on a descriptor that may be closed, or on a disk that may be full. */
export function createLineWriter({ fd, write = writeSync, afterLoss, pause = sleep }: LineWriterInit): LineWriter {
  let lost = 0
  let reason = ''
  let isBroken = false

  const put = (text: string) => {
    const bytes = Buffer.from(text)
    let waits = 0
    for (let offset = 0; offset < bytes.length; ) {
      try {
        offset += write(fd, bytes, offset)
        // from now on a part of the line is there
        isBroken = true
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code !== 'EAGAIN' || waits++ >= WAITS) {
          throw err
        }
        pause(WAIT_MS)
      }
    }
    isBroken = false
  }
  return {
    write(line) {
      try {
        if (lost > 0) {
          put(`${isBroken ? '\n' : ''}${afterLoss(lost, reason)}`)
          lost = 0
        }
        put(`${isBroken ? '\n' : ''}${line}`)
      } catch (err) {
        const { code, message } = err as NodeJS.ErrnoException
        lost++
        reason = code ?? message
      }
    },
    trouble: () => (lost === 0 ? null : { reason, lost })
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/**
 * Frames between the node and a task's process: what a frame is and how it is read back, for both ends.
 *
 *   u32 bytes that follow | u32 length of head | head, JSON in UTF-8 | body, raw bytes
 *
 * Not Node's own IPC channel: that one decodes whatever length the child announces, whole, inside the node's process
 * before anybody may look, and it obeys internal messages. Here a length is refused before a byte of it is kept.
 */

export interface FrameLimits {
  headBytes: number
  bodyBytes: number
}

export interface Frame {
  head: unknown
  body: Uint8Array
}

export class FrameError extends Error {
  override name = 'FrameError'
  readonly isTooLarge: boolean

  constructor(message: string, { isTooLarge = false } = {}) {
    super(message)
    this.isTooLarge = isTooLarge
  }
}

export function encodeFrame(head: unknown, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(head))
  const frame = new Uint8Array(8 + json.length + body.length)
  const view = new DataView(frame.buffer)
  view.setUint32(0, 4 + json.length + body.length)
  view.setUint32(4, json.length)
  frame.set(json, 8)
  frame.set(body, 8 + json.length)
  return frame
}

/**
 * Turns a byte stream into frames. `push` returns the frames that the chunk completes.
 *
 * @throws FrameError when a frame is over its limits or its head is no JSON: nothing after it can be trusted.
 */
export function createFrameReader(limits: FrameLimits): { push(chunk: Uint8Array): Frame[] } {
  let chunks: Uint8Array[] = []
  let held = 0

  const take = (count: number): Uint8Array => {
    const out = new Uint8Array(count)
    let filled = 0
    while (filled < count) {
      const chunk = chunks[0]!
      const part = chunk.subarray(0, count - filled)
      out.set(part, filled)
      filled += part.length
      if (part.length === chunk.length) {
        chunks.shift()
      } else {
        chunks[0] = chunk.subarray(part.length)
      }
    }
    held -= count
    return out
  }

  let lengths: { head: number; body: number } | null = null

  return {
    push(chunk) {
      if (chunk.length > 0) {
        chunks.push(chunk)
        held += chunk.length
      }
      const frames: Frame[] = []
      while (true) {
        if (lengths == null) {
          if (held < 8) {
            return frames
          }
          const view = new DataView(take(8).buffer)
          const head = view.getUint32(4)
          const body = view.getUint32(0) - 4 - head
          if (head > limits.headBytes || body < 0 || body > limits.bodyBytes) {
            chunks = []
            throw new FrameError(`a frame of ${head} + ${body} bytes; at most ${limits.headBytes} + ${limits.bodyBytes} are read`, {
              isTooLarge: true
            })
          }
          lengths = { head, body }
        }
        if (held < lengths.head + lengths.body) {
          return frames
        }
        const json = take(lengths.head)
        const body = take(lengths.body)
        lengths = null
        try {
          frames.push({ head: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json)), body })
        } catch {
          throw new FrameError('the head of a frame is no JSON')
        }
      }
    }
  }
}

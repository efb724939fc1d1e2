/** Virtual time, in slots and fractions of them: events run in order of time, and of planning where times are equal. */
export interface SimClock {
  now(): number
  /** The slot that runs now. */
  slot(): number
  at(time: number, run: () => void): void
}

interface Planned {
  time: number
  order: number
  run: () => void
}

export class EventClock implements SimClock {
  #now = 0
  #order = 0
  #heap: Planned[] = []
  #settle: () => Promise<void> | undefined

  /** @param settle - awaited after every event when it returns a promise: what the event began has ended by then */
  constructor(settle: () => Promise<void> | undefined) {
    this.#settle = settle
  }

  now(): number {
    return this.#now
  }

  slot(): number {
    return Math.floor(this.#now)
  }

  at(time: number, run: () => void): void {
    const planned = { time: Math.max(time, this.#now), order: this.#order++, run }
    const heap = this.#heap
    let at = heap.push(planned) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (before(heap[parent]!, planned)) {
        break
      }
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = planned
  }

  /** Runs everything planned before `time`, and stops there. */
  async runTo(time: number): Promise<void> {
    while (this.#heap.length > 0 && this.#heap[0]!.time < time) {
      const { time: at, run } = this.#take()
      this.#now = at
      run()
      const settling = this.#settle()
      if (settling != null) {
        await settling
      }
    }
    this.#now = time
  }

  #take(): Planned {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) {
      let at = 0
      while (true) {
        let child = 2 * at + 1
        if (child >= heap.length) {
          break
        }
        if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) {
          child++
        }
        if (before(last, heap[child]!)) {
          break
        }
        heap[at] = heap[child]!
        at = child
      }
      heap[at] = last
    }
    return first
  }
}

function before(a: Planned, b: Planned): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order)
}

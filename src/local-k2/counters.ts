import type { TransactionRecord } from './block.ts'

/** Programs that are counted one by one; a chain that is called by more counts the rest in the totals only. */
const MAX_PROGRAMS = 1000

/** Sums over some transactions or instructions. */
export interface Count {
  /** Transactions that hold at least one. */
  transactions: number
  /** Of them, those that failed. */
  failed: number
  /** Bytes of those transactions, as they came over the wire. */
  bytes: number
  /** Instructions themselves, top level only. */
  instructions: number
}

/** What ran since the process started. */
export interface Counts extends Count {
  /** By the program that is called, in base58. */
  byProgram: Record<string, Count>
}

const empty = (): Count => ({ transactions: 0, failed: 0, bytes: 0, instructions: 0 })

interface ProgramCount {
  all: Count
  /** By the first byte of an instruction's data; -1 stands for no data. */
  byKind: Map<number, Count>
}

/** Counts transactions and their bytes, by program and by the first data byte of the instructions. */
export class Counters {
  readonly #total = empty()
  readonly #programs = new Map<string, ProgramCount>()

  add({ wire, keys, meta }: TransactionRecord): void {
    const seen = new Set<Count>()
    const count = (into: Count) => {
      into.instructions++
      if (!seen.has(into)) {
        seen.add(into)
        into.transactions++
        into.bytes += wire.bytes.length
        into.failed += meta.err === null ? 0 : 1
      }
    }
    for (const { program, data } of wire.instructions) {
      count(this.#total)
      const entry = this.#program(keys[program]!)
      if (entry !== undefined) {
        count(entry.all)
        const kind = data[0] ?? -1
        let ofKind = entry.byKind.get(kind)
        if (ofKind === undefined) {
          entry.byKind.set(kind, (ofKind = empty()))
        }
        count(ofKind)
      }
    }
  }

  counts(): Counts {
    return { ...this.#total, byProgram: Object.fromEntries([...this.#programs].map(([name, { all }]) => [name, { ...all }])) }
  }

  /** The instructions of one program, by the first byte of their data; -1 stands for those without data. */
  byKind(programId: string): Record<number, Count> {
    const kinds = this.#programs.get(programId)?.byKind ?? new Map<number, Count>()
    return Object.fromEntries([...kinds].map(([kind, count]) => [kind, { ...count }]))
  }

  #program(name: string): ProgramCount | undefined {
    let entry = this.#programs.get(name)
    if (entry === undefined && this.#programs.size < MAX_PROGRAMS) {
      this.#programs.set(name, (entry = { all: empty(), byKind: new Map() }))
    }
    return entry
  }
}

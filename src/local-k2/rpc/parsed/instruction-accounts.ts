import type { ByteReader } from '../../byte-reader.ts'

/** What a parser makes of an instruction: a kind with its facts, or for a memo its text. */
export type ParsedInstruction = { type: string; info: object } | string

/** Reads the instructions of one program. Gives undefined, or throws a RangeError, for those that it does not know. */
export type InstructionParser = (accounts: Accounts, data: ByteReader) => ParsedInstruction | undefined

/** The accounts of an instruction. */
export class Accounts {
  readonly all: readonly string[]

  constructor(all: readonly string[]) {
    this.all = all
  }

  get count(): number {
    return this.all.length
  }

  /** @throws RangeError when there are fewer */
  at(position: number): string {
    const account = this.all[position]
    if (account === undefined) {
      throw new RangeError(`the instruction has no account ${position}`)
    }
    return account
  }

  /** The first accounts under these names, in order. @throws RangeError when there are fewer */
  named(...names: string[]): Record<string, string> {
    return Object.fromEntries(names.map((name, position) => [name, this.at(position)]))
  }

  /** The account at `position` under `name`, where the instruction has so many. */
  optional(name: string, position: number): Record<string, string> {
    return position < this.count ? { [name]: this.at(position) } : {}
  }
}

/** Who allows an instruction: the account at `position`, which is a multisig when its signers follow. */
export function signers(accounts: Accounts, position: number, name: string): object {
  return accounts.count > position + 1
    ? { [`multisig${name[0]!.toUpperCase()}${name.slice(1)}`]: accounts.at(position), signers: accounts.all.slice(position + 1) }
    : { [name]: accounts.at(position) }
}

import { homedir } from 'node:os'
import { join } from 'node:path'
import bs58 from 'bs58'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { calledAs } from '../command/index.ts'
// by its file, as the commands that need nothing else start at once
import { httpOn, loopbackHost } from '../config/loopback.ts'
import type { Pace } from '../local-k2/index.ts'
import { toLine } from '../observe/index.ts'
import { complain, type Shown, sayJson, sayLines } from '../observe/output.ts'

/** Where the Koii and Solana CLIs keep the wallet (KOII.md, Money). */
export const DEFAULT_WALLET = join(homedir(), '.config', 'koii', 'id.json')
export const DEFAULT_K2 = httpOn(loopbackHost(), 8899)

/** The settlement program as the repo builds it. */
export const SETTLEMENT_SO = new URL('../../protocols/settlement/settlement.so', import.meta.url)

/** The command was given too little, or what contradicts itself. */
export class UsageError extends Error {
  override name = 'UsageError'
}

export const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** Parses a whole number within bounds, for commander's option arguments. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It should be a whole number from ${min} to ${max}.`)
    }
    return value
  }
}

export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON, for machines')
}

export const PARAMS_OPTION = ['--params <json>', 'ctx.params of the task: one JSON object, or @FILE for a file of it'] as const

/** How the slots of a local K2 end. */
export function paceOption(otherwise: Pace): Option {
  return new Option(
    '--pace <how>',
    'auto: a slot waits until every node that follows it has done what is due, so a busy machine costs time and no round; strict: it takes --slot-ms'
  )
    .choices(['auto', 'strict'])
    .default(otherwise)
}

/** @param lines - beginning with `koii-mesh` */
export function example(...lines: string[]): string {
  const shown = lines.map((line) => `  ${line.replace(/^koii-mesh/, calledAs)}`)
  return `\nExample${lines.length > 1 ? 's' : ''}:\n${shown.join('\n')}\n`
}

const said = new Set<string>()

/** One line on standard error about what was left out; the same one again says nothing new. */
export function sayOnce(text: string | undefined): void {
  if (text != null && !said.has(text)) {
    said.add(text)
    complain(text)
  }
}

/** Prints one answer: JSON on request, else the lines for people, in which nothing that others wrote acts on the terminal. */
export function answer(json: boolean | undefined, value: object, lines: Array<string | Shown>): void {
  if (json === true) {
    sayJson(toLine(value))
  } else {
    sayLines(lines)
  }
}

/** Checks an address on the command line. @throws UsageError */
export function addressOf(text: string, name: string): string {
  let length = 0
  try {
    length = bs58.decode(text).length
  } catch {
    // told as one that is not 32 bytes
  }
  if (length !== 32) {
    throw new UsageError(`${name} is "${text}", which is not an address: an address is 32 bytes in base58`)
  }
  return text
}

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { Command } from 'commander'
import { claimCommand } from '../../src/cli/claim.ts'
import { eventsCommand } from '../../src/cli/events.ts'
import { hintCommand } from '../../src/cli/hint.ts'
import { k2Command } from '../../src/cli/k2.ts'
import { keygenCommand } from '../../src/cli/keygen.ts'
import { proofCommand } from '../../src/cli/proof.ts'
import { replaceKeyCommand } from '../../src/cli/replace-key.ts'
import { signerCommand } from '../../src/cli/signer.ts'
import { slashCommand } from '../../src/cli/slash.ts'
import { stakeCommand } from '../../src/cli/stake.ts'
import { startCommand } from '../../src/cli/start.ts'
import { statusCommand } from '../../src/cli/status.ts'
import { taskCommand } from '../../src/cli/task.ts'
import { testnetCommand } from '../../src/cli/testnet.ts'
import { unstakeCommand } from '../../src/cli/unstake.ts'
import { withdrawCommand } from '../../src/cli/withdraw.ts'

export const ROOT = join(import.meta.dirname, '..', '..')

export interface Document {
  /** Relative to the repo, with slashes. */
  path: string
  text: string
}

/** Everything that is written for people. */
export function documents(): Document[] {
  const below = (folder: string) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
  const atTheTop = readdirSync(ROOT).filter((name) => name.endsWith('.md'))
  return [...atTheTop, ...['docs', 'protocols', 'stubs'].flatMap(below)].map((path) => ({ path, text: read(path) }))
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** The commands as the command line has them. */
export function commands(): Command {
  const program = new Command('koii-mesh').version('0')
  for (const command of [
    testnetCommand(),
    startCommand(),
    signerCommand(),
    statusCommand(),
    eventsCommand(),
    keygenCommand(),
    stakeCommand(),
    unstakeCommand(),
    withdrawCommand(),
    replaceKeyCommand(),
    hintCommand(),
    slashCommand(),
    claimCommand(),
    taskCommand(),
    proofCommand(),
    k2Command()
  ]) {
    program.addCommand(command)
  }
  return program
}

export interface CommandLine {
  document: string
  /** As it is written. */
  text: string
  /** What follows `koii-mesh`. */
  args: string[]
  /** In a block that is there to be run, not a mention in a sentence. */
  whole: boolean
}

/** How `npm` verbs come to arguments of koii-mesh. */
const WAYS: Array<{ pattern: RegExp; before: string[] }> = [
  { pattern: /^npm run (?:-s )?koii-mesh --(?: |$)/, before: [] },
  { pattern: /^npm start(?: -- |$)/, before: ['testnet'] },
  { pattern: /^(?:ExecStart=\/usr\/bin\/env )?koii-mesh /, before: [] }
]

/** Every line of a document that runs koii-mesh. */
export function commandLines({ path, text }: Document): CommandLine[] {
  const lines: CommandLine[] = []
  const take = (source: string, whole: boolean) => {
    const plain = source
      .replace(/^\$ /, '')
      .replace(/ {2,}#.*$/, '')
      .trim()
    const way = WAYS.find(({ pattern }) => pattern.test(plain))
    if (way != null) {
      lines.push({ document: path, text: plain, args: [...way.before, ...words(plain.replace(way.pattern, ''))], whole })
    }
  }
  for (const [, language, body] of text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)) {
    if (language === 'sh' || language === 'ini') {
      for (const line of body!.replaceAll('\\\n', ' ').split('\n')) {
        take(line, true)
      }
    }
  }
  for (const [, code] of withoutFences(text).matchAll(/`([^`\n]+)`/g)) {
    take(code!, false)
  }
  return lines
}

export function withoutFences(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '')
}

export function hasFlag(command: Command, flag: string): boolean {
  return command.options.some(({ long, short }) => flag === long || flag === short)
}

/** What is wrong with a command line, or null. */
export function faultOf({ args, whole }: Pick<CommandLine, 'args' | 'whole'>, program: Command): string | null {
  const names: string[] = []
  let command = program
  for (const word of args) {
    const sub = command.commands.find((one) => one.name() === word)
    if (sub == null) {
      break
    }
    names.push(word)
    command = sub
  }
  const rest = args.slice(names.length)
  // one that does something by itself, too (k2), is followed by its flags
  if (command.commands.length > 0 && rest[0]?.startsWith('-') === false) {
    return `there is no command "${rest[0]}" in ${['koii-mesh', ...names].join(' ')}`
  }
  const flags = rest.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.split('=')[0]!)
  const unknown = flags.find((flag) => !['--help', '-h', '--version'].includes(flag) && !hasFlag(command, flag))
  if (unknown != null) {
    return `${['koii-mesh', ...names].join(' ')} has no ${unknown}`
  }
  if (!whole || flags.includes('--help') || (command.commands.length > 0 && rest.length === 0)) {
    return null
  }
  // to be run as it stands: let commander itself read it, with nothing behind it
  let complaint: string | null = null
  command
    .exitOverride((err) => {
      throw err
    })
    .configureOutput({
      writeErr: (text) => {
        complaint = text.trim()
      }
    })
    .action(() => {})
  try {
    command.parse(rest, { from: 'user' })
  } catch (err) {
    return complaint ?? String(err)
  }
  return null
}

function words(text: string): string[] {
  return [...text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, bare]) => single ?? double ?? bare!).filter(keep)
}

/** An ellipsis stands for whatever else. */
function keep(word: string): boolean {
  return word !== '...' && word !== '…'
}

export interface Link {
  document: string
  target: string
  /** The file, relative to the repo; of the document itself for a link within it. */
  path: string
  anchor: string | null
}

/** Links to files of the repo. */
export function links({ path, text }: Document): Link[] {
  return [...withoutFences(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = '', anchor = null] = target.split('#')
      return { document: path, target, path: file === '' ? path : join(dirname(path), file).replaceAll('\\', '/'), anchor }
    })
}

/** The anchors of a document's headings, as GitHub makes them. */
export function anchors(text: string): string[] {
  return [...withoutFences(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .trim()
      .replaceAll(' ', '-')
  )
}

/** Paths and hosts of somebody's own machine. */
export const PRIVATE = [
  /\/(?:home|Users|root|work|workspace|mnt|private)\/[\w.]/,
  /(?<![\w.])\/tmp\/[\w.]/,
  /\b[A-Z]:\\/,
  /\bregistry\.[\w-]+\.[a-z]+/i,
  /\b(?:artifactory|nexus|verdaccio|npmmirror|codeartifact)\b/i,
  /\blocalhost:\d{4}\/(?:npm|repository)/
]

/** Rows of the table that follows a heading, as their cells. */
export function tableAfter(text: string, heading: string): string[][] {
  const at = text.indexOf(`\n## ${heading}\n`)
  if (at < 0) {
    throw new Error(`there is no heading "${heading}"`)
  }
  const rows = text
    .slice(at + 1)
    .split('\n')
    .slice(1)
  const from = rows.findIndex((row) => row.startsWith('|'))
  const until = rows.findIndex((row, index) => index > from && !row.startsWith('|'))
  return rows.slice(from + 2, until < 0 ? undefined : until).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  )
}

/** The names in a cell that are written as code. */
export function codes(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
}

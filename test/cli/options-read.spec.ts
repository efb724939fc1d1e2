/** Every option that a command declares is read by that command. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Command } from 'commander'
import { CONFIG_KEYS } from '../../src/config/index.ts'
import { commands, ROOT } from '../docs/documents.ts'
import { declarationsOf, optionsRead, sourcesOf } from './option-reads.ts'

const below = (command: Command): Command[] => [command, ...command.commands.flatMap(below)]
const every = commands().commands.flatMap(below)
const sources = sourcesOf(ROOT, ['cli', 'testnet'])

describe('CLI: options', () => {
  it('are read by the command that declares them', () => {
    const declared = every.flatMap((command) => command.options.map((option) => ({ command: command.name(), option })))
    expect(declared.length).to.be.greaterThan(120)
    const unread = declared.filter(({ command, option }) => {
      const key = option.attributeName()
      return !optionsRead(command, sources, option.long!).has(key) && !(command === 'start' && (CONFIG_KEYS as string[]).includes(key))
    })
    expect(unread.map(({ command, option }) => `${command} ${option.long}`)).to.deep.equal([])
  })

  it('that are settings of a node are read of its configuration', () => {
    const text = globSync('src/**/*.ts', { cwd: ROOT })
      .map((file) => readFileSync(join(ROOT, file), 'utf8'))
      .join('\n')
    const taken = [...text.matchAll(/\{([^{}]*)\}(?:: Config\b| = (?:\w+\.)?config\b)/g)].map(([, inner]) => inner!).join()
    const isRead = (key: string) => new RegExp(`\\bconfig\\.${key}\\b`).test(text) || new RegExp(`\\b${key}\\b`).test(taken)
    expect(CONFIG_KEYS.filter((key) => !isRead(key))).to.deep.equal([])
    expect(isRead('noSetting')).to.equal(false)
  })

  it('would be noticed when nothing reads them', () => {
    const of = (...files: string[]) => [...optionsRead('x', files.map(declarationsOf))]
    expect(of("const x = () => new Command('x').option('--a').option('--b').action(async (options: X) => say(options.a))")).to.deep.equal([
      'a'
    ])
    expect(
      of(
        "export function x() {\n  new Command('x').action(async ({ a, b: other = 1, ...options }: XOptions) => openIt(options))\n}",
        'function openIt({ c }: K2Options) {}'
      )
    ).to.have.members(['a', 'b', '', 'c'])
    expect(
      of(
        "function x() {\n  new Command('x').action(go)\n  new Command('y').action((options) => options.y)\n}\nasync function go(id: string, options: XOptions) {\n  const { d } = options\n}"
      )
    ).to.deep.equal(['d'])
    // another command's helper, a type and a comment read nothing of it
    expect(
      of(
        "interface X {\n  a: string\n}\nfunction x() {\n  new Command('x').action((options) => {}) // options.b\n}\nfunction other(options) {\n  options.c\n}"
      )
    ).to.deep.equal([])
  })
})

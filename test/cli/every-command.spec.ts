/** What holds for each command there is, whoever adds one. */
import { expect } from 'chai'
import type { Command } from 'commander'
import { fitHelp } from '../../src/cli/help.ts'
import { startCommand } from '../../src/cli/start.ts'
import { widthOf } from '../../src/observe/shown-text.ts'
import { commands, faultOf, read } from '../docs/documents.ts'

const all = (command: Command, path: string): Array<{ command: Command; path: string }> => [
  { command, path },
  ...command.commands.flatMap((sub) => all(sub, `${path} ${sub.name()}`))
]
const every = commands().commands.flatMap((command) => all(command, `koii-mesh ${command.name()}`))
/** `task` and `proof` only hold others. */
const acting = every.filter(({ command }) => command.commands.length === 0 || command.name() === 'k2')

function helpOf(command: Command): string {
  let text = ''
  command
    .configureOutput({
      writeOut: (some) => {
        text += some
      }
    })
    .outputHelp()
  return text
}

describe('CLI: every command', () => {
  it('a paragraph that is broken in the source flows on', () => {
    const word = 'word '.repeat(26).trim()
    const lines = fitHelp(`${word}\n${word}\nend\n\nExample:`, 80).split('\n')
    expect(lines.slice(0, -2).join(' ').match(/\w+/g)).to.have.length(53)
    for (const line of lines.slice(0, -3)) {
      expect(line.length, line).to.be.above(70)
    }
    expect(lines.slice(-2)).to.deep.equal(['', 'Example:'])
  })

  it('that there is, is among those that are looked at', () => {
    const [, table] = /const COMMANDS[^{]*\{\n(.*?)\n\}/s.exec(read('src/cli/main.ts'))!
    const names = [...table!.matchAll(/^ {2}'?([\w-]+)'?: async/gm)].map(([, name]) => name)
    expect(names).to.include.members(['testnet', 'replace-key', 'k2'])
    expect(commands().commands.map((command) => command.name())).to.have.members(names)
  })

  it('has a description, and a help with an example of itself', () => {
    expect(every.length).to.be.above(20)
    for (const { command, path } of every) {
      expect(command.description(), path).not.to.equal('')
      expect(helpOf(command), path)
        .to.match(new RegExp(`^Usage: ${path} `))
        .and.to.match(new RegExp(`\\nExamples?:\\n {2}${path} `))
    }
  })

  it('takes the examples that it gives', () => {
    for (const { command } of every) {
      for (const [, line] of helpOf(command).matchAll(/^ {2}koii-mesh (.*?)(?: {2,}.*)?$/gm)) {
        expect(faultOf({ args: line!.split(' '), whole: true }, commands()), line).to.equal(null)
      }
    }
  })

  it('has a help that fits 80 columns, and examples that are whole when they are copied', () => {
    for (const { command, path } of every) {
      const help = helpOf(command)
      const fitted = fitHelp(help, 80)
      for (const line of fitted.split('\n')) {
        expect(widthOf(line), `${path}: ${line}`).to.be.at.most(
          Math.max(
            80,
            ...line
              .trim()
              .split(' ')
              .map((word) => word.length + 8)
          )
        )
      }
      const examples = (text: string) => [...text.matchAll(/^ {2}koii-mesh (.*?)(?: {2,}.*)?$/gm)].map(([, line]) => line)
      expect(examples(fitted.replaceAll(/ \\\n */g, ' '))).to.deep.equal(examples(help))
    }
  })

  it('says of a setting of the node what it is where it is not given, and leaves that to the environment and the file', () => {
    const { options } = startCommand()
    const of = (long: string) => options.find((one) => one.long === long)!
    expect(of('--min-peers').description).to.match(/ \(default: 12\)$/)
    expect(of('--max-fee').description).to.match(/ \(default: 0\.00005\)$/)
    expect(of('--task').description).to.not.include('default')
    expect(options.every(({ defaultValue }) => defaultValue == null || defaultValue === true)).to.equal(true)
  })

  it('has --json when it does something, and says of each option what it is for', () => {
    for (const { command, path } of acting) {
      expect(
        command.options.map(({ long }) => long),
        path
      ).to.include('--json')
      for (const { long, description } of command.options) {
        expect(description, `${path} ${long}`).not.to.equal('')
      }
    }
  })
})

/** What --help says beside the tables of options, which commander fits by itself. */
import { calledAs } from '../command/index.ts'
import { widthOf, wrapped } from '../observe/shown-text.ts'

/**
 * Help as wide as the terminal, at most. An example goes on behind a backslash, so that it can be copied whole; what is said of it stands
 * below it.
 */
export function fitHelp(text: string, columns: number): string {
  return paragraphs(text)
    .split('\n')
    .map((line) =>
      widthOf(line) <= columns ? line : line.startsWith(`  ${calledAs()} `) ? example(line, columns) : wrapped(line, columns, labelOf(line))
    )
    .join('\n')
}

/** What was broken at the width of the source is one line again, and fitted as one. */
function paragraphs(text: string): string {
  return text.replace(/^(\S.{99,})\n(?=\S)/gm, '$1 ')
}

function labelOf(line: string): string | undefined {
  return /^ {4,}(?=\S)/.exec(line)?.[0]
}

function example(line: string, columns: number): string {
  const [command = '', note] = line.trim().split(/ {2,}(?=\()/)
  const lines: string[] = []
  for (const word of command.split(' ')) {
    const last = lines.at(-1)
    if (last != null && last.length + 1 + word.length + 2 <= columns) {
      lines[lines.length - 1] = `${last} ${word}`
    } else {
      lines.push(`${last == null ? '  ' : '    '}${word}`)
    }
  }
  const below = note == null ? '' : `\n${wrapped(`      ${note}`, columns, '      ')}`
  return `${lines.join(' \\\n')}${below}`
}

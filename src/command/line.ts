/** The line of a command, as this process was called. Knows no file. */

let name = 'koii-mesh'

/** Sets the name for this process. */
export function callIt(commandName: string): void {
  name = commandName
}

/** The name alone, for what follows on it. */
export function calledAs(): string {
  return name
}

/** `{ dataDir: './a b', json: true, task: undefined }` is `--data-dir './a b' --json`. */
export type LineOptions = Record<string, string | readonly string[] | boolean | undefined>

/**
 * One command that can be pasted into a shell as it is.
 *
 * @param fit - over several lines, each of at most so many characters as far as words are not longer; those after the first are indented
 */
export function commandLine(words: readonly string[], options: LineOptions = {}, fit?: { columns: number; indent: string }): string {
  const flags = Object.entries(options).flatMap(([key, value]) => {
    const flag = `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    if (value == null || value === false) {
      return []
    }
    return value === true ? [flag] : [value].flat().flatMap((one) => [flag, one])
  })
  const all = [name, ...[...words, ...flags].map(quoted)]
  return fit == null ? all.join(' ') : folded(all, fit)
}

function folded(words: readonly string[], { columns, indent }: { columns: number; indent: string }): string {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    // room for the indent, the space, and what goes on after a backslash
    if (last != null && indent.length + last.length + 1 + word.length + 2 <= columns) {
      lines[lines.length - 1] = `${last} ${word}`
    } else {
      lines.push(word)
    }
  }
  return lines.join(` \\\n${indent}`)
}

/** One word for a shell, whatever is in it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

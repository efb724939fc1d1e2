/**
 * Which options of a command its source reads. Followed is what is handed the options whole (`k2Of(options)`, `{ ...options }`), from
 * the command's own action on: that some other command reads an option of the same name says nothing.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The declarations of a source at its top level, by name; no types, as these read nothing. */
export type Declarations = Map<string, string>

export function declarationsOf(source: string): Declarations {
  const starts = [...source.matchAll(/^(?:export )?(?:async )?(function\*?|const|let|class|interface|type|enum) (\w+)/gm)]
  return new Map(
    starts.flatMap(({ 1: kind, 2: name, index }, at): Array<[string, string]> => {
      const text = source.slice(index, starts[at + 1]?.index)
      return kind === 'interface' || kind === 'type' ? [] : [[name!, text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')]]
    })
  )
}

/** Of every file of these folders of src/. */
export function sourcesOf(root: string, folders: string[]): Declarations[] {
  return folders.flatMap((folder) =>
    globSync(`src/${folder}/*.ts`, { cwd: root }).map((file) => declarationsOf(readFileSync(join(root, file), 'utf8')))
  )
}

/** What the options are called where they are handed on. */
const WHOLE = '(?:options|init)'

/** What a text reads of options, by name. */
function readIn(text: string): string[] {
  const members = [...text.matchAll(new RegExp(`\\b${WHOLE}\\??\\.(\\w+)`, 'g'))].map(([, name]) => name!)
  // ({ a, b = [], c: d }: SomeOptions) and const { a } = options
  const patterns = [
    ...text.matchAll(/\(?(?:\w+: [\w |]+, )*\{([^{}]*)\}: (?:Pick<)?(?:\w*(?:Options|Init)\b|\{)/g),
    ...text.matchAll(new RegExp(`\\{([^{}]*)\\} = ${WHOLE}\\b`, 'g'))
  ]
  const taken = patterns.flatMap(([, inner]) => inner!.split(',').map((one) => /^\s*(\w+)/.exec(one)?.[1] ?? ''))
  return [...members, ...taken]
}

/** Functions that a text hands the options whole. */
function handedTo(text: string): string[] {
  const calls = [...text.matchAll(new RegExp(`\\b(\\w+)\\((?:[^()]|\\([^()]*\\))*?\\b${WHOLE}\\b(?![.?:\\w])`, 'g'))].map(
    ([, name]) => name!
  )
  return [...calls, ...[...text.matchAll(/\.action\((\w+)\)/g)].map(([, name]) => name!)]
}

/**
 * The options that the command of this name reads. Of two commands with one name those that both do.
 *
 * @param name - as in `new Command('show')`
 * @param flag - only where this one is declared, if that is said anywhere
 */
export function optionsRead(name: string, sources: readonly Declarations[], flag?: string): Set<string> {
  // a helper of a file may make its commands: base('fund', ...)
  const made = new RegExp(`(?:new Command|onStake|byOwner|base)\\('${name}'`)
  const places = sources.flatMap((file) =>
    [...file.values()].flatMap((text) => {
      const at = made.exec(text)?.index
      if (at == null) {
        return []
      }
      // a file may make several, one after the other
      const next = text.slice(at + 1).search(/new Command\(/)
      return [{ file, text: text.slice(at, next < 0 ? undefined : at + 1 + next) }]
    })
  )
  if (places.length === 0) {
    throw new Error(`no source makes a command "${name}"`)
  }
  const declaring = places.filter(({ text }) => flag != null && text.includes(`'${flag} `))
  const all = (declaring.length > 0 ? declaring : places).map(({ file, text }) => readFrom(text, file, sources))
  const [first, ...others] = all
  return new Set([...first!].filter((key) => others.every((other) => other.has(key))))
}

function readFrom(text: string, home: Declarations, sources: readonly Declarations[]): Set<string> {
  const read = new Set<string>()
  const seen = new Set<string>()
  const follow = (part: string, file: Declarations) => {
    for (const one of readIn(part)) {
      read.add(one)
    }
    for (const called of handedTo(part)) {
      const owner = file.has(called) ? file : sources.find((other) => other.has(called))
      const body = owner?.get(called)
      if (owner != null && body != null && !seen.has(body)) {
        seen.add(body)
        follow(body, owner)
      }
    }
  }
  follow(text, home)
  return read
}

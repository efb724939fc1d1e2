import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { expect } from 'chai'
import { ALLOWED, LAYERS, NOT_DRAWN } from './rooms.ts'

const SRC = join(import.meta.dirname, '..', '..', 'src')
/** Of `import` and `export`, types included; of `import()` too. */
const FROM = /^(?:import|export|\} from)\b[^'"\n]*?from '(\.[^']+)'|^import '(\.[^']+)'|^\} from '(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(FROM)].map((found) => resolve(dirname(file), found.slice(1).find((one) => one != null)!))
}

/** A way from a node back to itself, if there is one. */
function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const visit = (node: string, way: string[]): string[] | undefined => {
    if (way.includes(node)) {
      return [...way.slice(way.indexOf(node)), node]
    }
    if (done.has(node)) {
      return undefined
    }
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next, [...way, node])
      if (circle != null) {
        return circle
      }
    }
    done.add(node)
    return undefined
  }
  for (const node of graph.keys()) {
    const circle = visit(node, [])
    if (circle != null) {
      return circle
    }
  }
  return undefined
}

describe('imports', () => {
  const files = globSync('**/*.ts', { cwd: SRC }).map((file) => join(SRC, file))
  const graph = new Map(files.map((file) => [file, importsOf(file)]))

  it('are found, and a circle is', () => {
    expect(files.length).to.be.greaterThan(300)
    expect(graph.get(join(SRC, 'cli', 'main.ts'))).to.include.members([join(SRC, 'cli', 'start.ts'), join(SRC, 'cli', 'engine.ts')])
    expect(circleIn(new Map([['a', ['b']], ['b', ['c', 'd']], ['c', []], ['d', ['b']]]))).to.deep.equal(['b', 'd', 'b']) // biome-ignore format: a graph
  })

  it('lead from no file back to itself, not even for a type', () => {
    expect(circleIn(graph)?.map((file) => relative(SRC, file))).to.equal(undefined)
  })

  const roomOf = (file: string) => relative(SRC, file).split(sep)[0]!
  const rooms = new Map<string, string[]>()
  for (const [file, imported] of graph) {
    const room = roomOf(file)
    // the library's own page is no room
    if (room !== relative(SRC, file)) {
      rooms.set(room, [...(rooms.get(room) ?? []), ...imported.map(roomOf).filter((other) => other !== room)])
    }
  }

  it('lead from no room back to itself', () => {
    expect(circleIn(rooms)).to.equal(undefined)
  })

  it('lead from each room to just those that it may import', () => {
    const found = Object.fromEntries([...rooms].map(([room, others]) => [room, [...new Set(others)].sort()]))
    expect(found).to.deep.equal(ALLOWED)
  })

  it('lead down: no room may import one of its own layer, or of one above', () => {
    const layerOf = new Map(LAYERS.flatMap((names, layer) => names.map((room) => [room, layer] as const)))
    expect([...layerOf.keys()]).to.have.members([...rooms.keys()])
    for (const [room, others] of Object.entries(ALLOWED)) {
      for (const other of others) {
        expect(layerOf.get(other), `${room} > ${other}`).to.be.greaterThan(layerOf.get(room)!)
      }
    }
  })

  it('are drawn as they are in docs/architecture.md', () => {
    const [drawing, layers] = [...readFileSync(join(SRC, '..', 'docs', 'architecture.md'), 'utf8').matchAll(/^```\n([^`]*)^```$/gm)].map(
      ([, block]) => block!
    )
    expect(layers!.trim().split('\n').map((line) => line.split(/ +/))).to.deep.equal(LAYERS) // biome-ignore format: one look
    // boxes have the name of a room in their first line
    const named = [...rooms.keys()].filter((room) => new RegExp(`\\| +${room}\\b[^|]*\\||\\| ${room}:`).test(drawing!))
    expect(named).to.have.members([...rooms.keys()].filter((room) => !NOT_DRAWN.includes(room)))
  })
})

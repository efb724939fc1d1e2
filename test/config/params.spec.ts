import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  ConfigError,
  canonicalParams,
  loadConfig,
  loadParams,
  MAX_PARAMS_BYTES,
  ParamsError,
  paramsOf,
  typedParams
} from '../../src/config/index.ts'

const refused = (run: () => unknown): string => {
  try {
    run()
  } catch (err) {
    expect(err).to.be.instanceOf(Error)
    return `${(err as Error).name}: ${(err as Error).message}`
  }
  return 'not refused'
}

describe('config: params', () => {
  let dir: string
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'koii-mesh-params-'))
  })
  after(() => rmSync(dir, { recursive: true, force: true }))

  it('have one text, whatever the order of keys and the spaces', () => {
    const one = typedParams('{ "b": [1.0, -0, 1e3, "\\u00e9\\u2028"], "a": { "y": null, "x": true }, "é": 1, "Z": 2 }')
    const other = typedParams('{"Z":2,"é":1,"a":{"x":true,"y":null},"b":[1,0,1000,"é\\u2028"]}')
    expect(one).to.deep.equal(other)
    expect(one.text).to.equal('{"Z":2,"a":{"x":true,"y":null},"b":[1,0,1000,"é\u2028"],"é":1}')
    // tasks see one order, too
    expect(JSON.stringify(one.value)).to.equal(JSON.stringify(other.value))
  })

  it('of any JSON: the canonical text is read as it was written, and as the same value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 5 }), (value) => {
        let params: ReturnType<typeof paramsOf>
        try {
          params = paramsOf(JSON.parse(JSON.stringify(value)))
        } catch (err) {
          expect(err).to.be.instanceOf(ParamsError)
          return
        }
        expect(canonicalParams(Buffer.from(params.text))).to.deep.equal(params)
        expect(paramsOf(params.value).text).to.equal(params.text)
      })
    )
  })

  const bad: Record<string, [text: string, says: RegExp]> = {
    'no object': ['[1]', /should be a JSON object/],
    null: ['null', /should be a JSON object/],
    'no JSON': ['{urls:[]}', /is not JSON/],
    'a whole number that is none here': ['{"a":{"b":[9007199254740993]}}', /a number at \.a\.b\[0\].*as text/],
    'a number without end': ['{"a":1e400}', /a number at \.a /],
    'half a character': ['{"a":"\\ud800"}', /half of a surrogate pair/],
    'half a character for a key': ['{"\\udc00":1}', /half of a surrogate pair/],
    'a prototype': ['{"a":{"__proto__":{"x":1}}}', /"__proto__" at \.a/],
    'what is nested too deep': [`{"a":${'['.repeat(60_000)}${']'.repeat(60_000)}}`, /nested in more than 32/],
    'what is too large': [JSON.stringify({ a: 'x'.repeat(MAX_PARAMS_BYTES) }), /takes 65544 bytes.*at most 65536/]
  }
  for (const [what, [text, says]] of Object.entries(bad)) {
    it(`are not ${what}`, () => {
      expect(refused(() => typedParams(text)))
        .to.match(/^ParamsError/)
        .and.to.match(says)
      expect(refused(() => canonicalParams(Buffer.from(text)))).to.match(/^ParamsError/)
    })
  }

  it('of others are the canonical text and no other, and no bytes that are no text', () => {
    expect(canonicalParams(Buffer.from('{"a":1,"b":2}')).value).to.deep.equal({ a: 1, b: 2 })
    for (const text of ['{"b":2,"a":1}', '{"a": 1}', '{"a":1,"a":1}', '{"a":1.0}', '\ufeff{"a":1}', '{"a":1}\n', '{"a":"\\u0062"}']) {
      expect(
        refused(() => canonicalParams(Buffer.from(text))),
        text
      ).to.match(/^ParamsError/)
    }
    expect(refused(() => canonicalParams(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])))).to.match(/UTF-8/)
  })

  it('come from a flag, a variable or a file, the first that says something; and from @FILE anywhere', () => {
    const file = join(dir, 'node.json')
    writeFileSync(file, JSON.stringify({ k2: 'x', params: { from: 'file' } }))
    const kept = join(dir, 'kept.json')
    writeFileSync(kept, ' { "from" : "kept" } ')
    const env = { KOII_MESH_PARAMS: '{"from":"env"}' }
    expect(loadParams({ file, env, flag: `@${kept}` })?.value).to.deep.equal({ from: 'kept' })
    expect(loadParams({ file, env })?.value).to.deep.equal({ from: 'env' })
    expect(loadParams({ file, env: {} })?.value).to.deep.equal({ from: 'file' })
    expect(loadParams({ env: {} })).to.equal(undefined)
    const config = loadConfig({ env: { KOII_MESH_PARAMS: `@${kept}` }, flags: { k2: 'http://127.0.0.1', task: '1'.repeat(32) } })
    expect(config.params?.text).to.equal('{"from":"kept"}')
  })

  it('that are wrong are told with where they came from', () => {
    expect(() => loadParams({ env: {}, flag: '{' })).to.throw(ConfigError, /^--params is not JSON/)
    expect(() => loadParams({ env: { KOII_MESH_PARAMS: '[]' } })).to.throw(ConfigError, /^KOII_MESH_PARAMS should be a JSON object/)
    for (const path of [join(dir, 'none.json'), dir, '/dev/zero']) {
      expect(() => loadParams({ env: {}, flag: `@${path}` })).to.throw(
        ConfigError,
        /^--params cannot be read from the file .*: give the path/
      )
    }
  })
})

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { typedParams } from '../../src/config/index.ts'
import { BUNDLE_FILE, describeBundle, PARAMS_FILE, paramsCid, paramsIn } from '../../src/node/index.ts'
import { aboutParams, filesOf, withNote } from '../../src/node/params.ts'
import type { PackedFile } from '../../src/proofs/index.ts'
import { bundlePath } from '../../src/tasks/index.ts'
import { failure, Lab, type TestNode } from '../proofs/fixtures.ts'
import { wantBundle } from './want-bundle.ts'

const CODE = Buffer.from("export const manifest = { name: 'tiny' }\n")
const OURS = typedParams('{"urls":["http://a/"],"every":3}')
const SAME = typedParams('{ "every": 3, "urls": ["http://a/"] }')
const OTHER = typedParams('{"urls":["http://b/"]}')

describe('node: a task’s parameters', () => {
  const lab = new Lab()
  afterEach(() => lab.end())

  const pack = async ({ proofs }: TestNode, files: PackedFile[]) => (await proofs.packFiles(files)).cid.toString()

  it('come with the bundle, from whoever has it, and are a block of it by their own CID', async () => {
    const [author, node] = [await lab.node(), await lab.node()]
    const cid = await pack(author, filesOf(CODE, OURS))
    const from = { providers: () => [author.hint] }
    for (const params of [undefined, SAME]) {
      const bundle = await wantBundle(node, cid, { ...from, params })
      expect([Buffer.from(bundle.content), bundle.params]).to.deep.equal([CODE, OURS])
    }
    expect(await node.proofs.reader(cid).holds(await paramsCid(SAME))).to.equal(true)
    expect(await paramsIn(node.proofs, cid)).to.deep.equal(OURS)
    // an operator who types others is told both, and what to do
    const refused = await failure(wantBundle(node, cid, { ...from, params: OTHER }))
    expect(refused.name).to.equal('ParamsDifferError')
    expect(refused.message)
      .to.include(`given the params ${await paramsCid(OTHER)}`)
      .and.to.include(`fixes ${await paramsCid(OURS)}`)
      .and.to.match(/Leave them out/)
    // one that came while the node ran does not stop it
    expect((await wantBundle(node, cid, { ...from, params: OTHER, overrule: true })).params).to.deep.equal(OURS)
  })

  it('may be fixed to none, or not be fixed', async () => {
    const node = await lab.node()
    const none = typedParams('{}')
    const [free, empty] = [await pack(node, filesOf(CODE, null)), await pack(node, filesOf(CODE, none))]
    expect(free).to.not.equal(empty)
    expect((await wantBundle(node, free)).params).to.equal(null)
    // as before there were any: each operator gives what he likes
    expect((await wantBundle(node, free, { params: OTHER })).params).to.equal(null)
    expect((await wantBundle(node, empty)).params).to.deep.equal(none)
    expect((await failure(wantBundle(node, empty, { params: OTHER }))).name).to.equal('ParamsDifferError')
  })

  it('are given by the author beside the own copy, which is the task’s bundle only with the same', async () => {
    const [node, other] = [await lab.node(), await lab.node()]
    const path = join(node.dir, 'mine.mjs')
    await writeFile(path, CODE)
    const cid = await pack(other, filesOf(CODE, OURS))
    const bundle = await wantBundle(node, cid, { path, params: SAME })
    expect([Buffer.from(bundle.content), bundle.params]).to.deep.equal([CODE, SAME])
    const without = await failure(wantBundle(other, cid, { path }))
    expect(without.message).to.match(/is not the task's bundle.*give the --params that the task was created with/)
    // what is on this disk already tells both
    const wrong = await failure(wantBundle(other, cid, { path, params: OTHER }))
    expect(wrong.name).to.equal('ParamsDifferError')
    const free = await pack(other, filesOf(CODE, null))
    expect((await wantBundle(node, free, { path, params: OTHER })).params).to.equal(null)
  })

  it('make another CID of the same code, the same for any order of keys', async () => {
    const cidOf = async (params: typeof OURS | null) => (await describeBundle(bundlePath('k2-index'), params)).cid
    const [none, ours, same, other] = [await cidOf(null), await cidOf(OURS), await cidOf(SAME), await cidOf(OTHER)]
    expect(ours).to.equal(same)
    expect(new Set([none, ours, other]).size).to.equal(3)
  }).timeout(240_000)

  it('that no node can read make a bundle that none can run', async () => {
    const node = await lab.node()
    const bad = ['{"b":1,"a":1}', '[1]', '{', '', '{"a":1e400}', JSON.stringify({ a: 'x'.repeat(70_000) })]
    for (const text of bad) {
      const files = [
        { path: BUNDLE_FILE, content: CODE },
        { path: PARAMS_FILE, content: Buffer.from(text) }
      ]
      const refused = await failure(wantBundle(node, await pack(node, files)))
      expect(refused.name, text.slice(0, 20)).to.equal('BundleError')
      expect(refused.message).to.match(/^the task's bundle can be none: its params\.json .*koii-mesh task update/)
    }
  })

  it('that nobody fixes are named beside what they may explain', async () => {
    const reads = Buffer.from('export function task (ctx) { use(ctx.params.urls) }')
    expect(await aboutParams(OURS, undefined, reads)).to.deep.equal({})
    expect(await aboutParams(OURS, SAME, reads)).to.deep.equal({})
    expect((await aboutParams(OURS, OTHER, reads)).warning)
      .to.include(await paramsCid(OURS))
      .and.to.include(await paramsCid(OTHER))
    expect(await aboutParams(null, undefined, CODE)).to.deep.equal({})
    for (const [given, content] of [
      [OTHER, CODE],
      [undefined, reads]
    ] as const) {
      const { warning, note } = await aboutParams(null, given, content)
      expect(warning).to.match(/fixes no params, and this node was given (none|the params bafkrei)/)
      expect(note).to.match(/^no params fixed, mine: (none|\.\.\w{12})$/)
    }
    expect(withNote('result 1 is of another URL', 'no params fixed, mine: none', 160)).to.equal(
      'result 1 is of another URL (no params fixed, mine: none)'
    )
    const long = withNote('é'.repeat(500), 'no params fixed, mine: none', 160)
    expect(long).to.match(/é \(no params fixed, mine: none\)$/)
    expect(Buffer.byteLength(long)).to.be.at.most(160)
  })
})

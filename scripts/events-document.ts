/** Writes docs/events.md from the schemas of the events: `node scripts/run.mjs scripts/events-document.ts`. A test compares it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { eventSchemas } from '../src/observe/events.ts'

interface Schema {
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema | boolean
  description?: string
}

const HEAD = `# Events

What a node tells as it happens: \`koii-mesh start --json\` and \`koii-mesh events --json\` write one a line, \`GET /v1/events\` of the [control API](operators.md#the-control-api) streams them. Amounts are ROE as decimal text, keys base58. An event may get more fields in a later version, and there may be more events: a reader passes over what it does not know.

Made from the schemas in \`src/observe/events.ts\` (\`node scripts/run.mjs scripts/events-document.ts\`), which check and type what is told.

## Fields of every event
`

const COMMON = ['event', 'time', 'slot', 'cycle', 'node', 'task']

const WORDS: Record<string, string> = { string: 'text', integer: 'number', boolean: 'true or false' }

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) {
    return `\`${schema.const}\``
  }
  if (schema.enum != null) {
    return schema.enum.map((one) => `\`${one}\``).join(', ')
  }
  if (schema.anyOf != null) {
    return schema.anyOf.map(typeOf).join(' or ')
  }
  if (schema.type === 'array') {
    return `list of ${typeOf(schema.items ?? {})}`
  }
  if (schema.type === 'object') {
    const inner = Object.entries(schema.properties ?? {}).map(([name]) => `\`${name}\``)
    return inner.length === 0 ? 'object of numbers' : `object (${inner.join(', ')})`
  }
  return [schema.type ?? 'anything']
    .flat()
    .map((type) => WORDS[type] ?? type)
    .join(' or ')
}

function describe(name: string, schema: Schema, isRequired: boolean): string {
  const note = schema.description ?? schema.anyOf?.find(({ description }) => description != null)?.description
  return `\`${name}\`${isRequired ? '' : ' (may be missing)'}: ${typeOf(schema)}${note == null ? '' : ` (${note})`}`
}

export function eventsDocument(): string {
  const all = eventSchemas.map((event) => z.toJSONSchema(event) as Schema)
  const rows = all.map(({ properties = {}, required = [], description }) => {
    const own = Object.entries(properties).filter(([name]) => !COMMON.includes(name))
    const fields = own.map(([name, schema]) => describe(name, schema, required.includes(name)))
    const about = properties.cycle?.type === 'null' ? '' : properties.cycle?.anyOf == null ? 'yes' : 'where there is one'
    return `| \`${properties.event?.const}\` | ${description} | ${about} | ${fields.join('; ')} |`
  })
  const { time, slot, node, task } = all[0]!.properties!
  return `${HEAD}
| field | what it is |
| --- | --- |
| \`event\` | its name |
| \`time\` | when it happened, ISO 8601 (${time!.description}) |
| \`slot\` | ${slot!.description} |
| \`cycle\` | which cycle it is about; null for one that is about none |
| \`node\` | ${node!.description} |
| \`task\` | ${task!.description} |

## All events

| event | when | of a cycle | its own fields |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, '..', 'docs', 'events.md'), eventsDocument())
}

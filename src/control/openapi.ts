import { readFileSync } from 'node:fs'
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'

// the same two folders up from src/control and from dist/control
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** The document of the API: made of the routes, and of the schemas that check what they take and give. */
export function openApi(): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'koii-mesh', description: 'The control API of a node, for programs of its machine.', version },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'what is in api-token, in the data directory' } }
      }
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject
  }
}

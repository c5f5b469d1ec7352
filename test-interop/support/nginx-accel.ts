/** A real nginx with docs/examples/nginx-accel.conf before an API, reached by a Unix socket, so that no port has to be chosen. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nginxProgram, projectRoot } from './paths.ts'
import { launch, type Program } from './program.ts'

export interface AccelNginx extends Program {
  readonly socketPath: string
}

export async function startAccelNginx({
  dir,
  api,
  dataDir,
}: {
  readonly dir: string
  /** URL. */
  readonly api: string
  readonly dataDir: string
}): Promise<AccelNginx> {
  mkdirSync(dir, { recursive: true })
  const socketPath = join(dir, 'front.sock')
  const example = readFileSync(join(projectRoot, 'docs/examples/nginx-accel.conf'), 'utf8')
  const alias = 'alias /var/lib/sluice/objects/;'
  if (!example.includes(alias)) throw new Error(`docs/examples/nginx-accel.conf no longer has "${alias}"`)
  writeFileSync(join(dir, 'accel.conf'), example.replace(alias, `alias ${join(dataDir, 'objects')}/;`))
  writeFileSync(join(dir, 'nginx.conf'), mainFile({ dir, api, socketPath }))
  const program = launch({
    name: 'nginx',
    command: nginxProgram(),
    args: ['-p', dir, '-e', 'stderr', '-c', join(dir, 'nginx.conf')],
    dir,
  })
  await program.ready(() => existsSync(socketPath) || undefined)
  return { ...program, socketPath }
}

function mainFile({
  dir,
  api,
  socketPath,
}: {
  readonly dir: string
  readonly api: string
  readonly socketPath: string
}) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    kind => `${kind}_temp_path ${join(dir, kind)};`,
  )
  // As root nginx would hand its worker to a user that may not enter the test's directory.
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${join(dir, 'nginx.pid')};
events { worker_connections 64; }
http {
  ${temporary.join(' ')}
  access_log off;
  server {
    listen unix:${socketPath};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header X-Forwarded-For 192.0.2.1;
    location / { proxy_pass ${api}; }
    include accel.conf;
  }
}
`
}

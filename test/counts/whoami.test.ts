import test from 'ava'
import { matrixHomeserver, user } from '../support/matrix-homeserver.ts'
import { withSluice } from '../support/with-sluice.ts'

test('the homeserver is asked once who somebody is, for a hundred requests', async t => {
  const homeserver = await matrixHomeserver(t, { 'token-of-her': user('@her:example.com') })
  const { ask } = await withSluice(t, { SLUICE_HOMESERVER__URL: homeserver.url, SLUICE_AUTH__TOKENS: '[]' })
  for (let request = 0; request < 100; request += 1) {
    const response = await ask('GET', '/_matrix/client/v1/media/config', { token: 'token-of-her' })
    t.is(response.status, 200)
    await response.arrayBuffer()
  }
  t.deepEqual(
    homeserver.asked.filter(request => request.includes('whoami')),
    ['GET /_matrix/client/v3/account/whoami'],
  )
})

import test from 'ava'
import fc from 'fast-check'
import { sniffMarkup } from '../../src/domain/sniff-markup.ts'

function sniff(text: string): string | undefined {
  return sniffMarkup(Buffer.from(text))?.contentType
}

test('pages are known by their document type or their first element', t => {
  const pages = [
    '<!doctype html>',
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN">',
    '<html lang="en">',
    '<HTML>',
    '<head><title>x</title>',
    '<script>alert(1)</script>',
    '<script\nsrc="x">',
    '<iframe src=x>',
    '<body onload=x>',
    '<table><tr>',
    '<a href="x">',
    '<style>',
    '<h1>x</h1>',
    '<br/>',
    '<img src=x onerror=y>',
  ]
  for (const page of pages)
    t.deepEqual(sniffMarkup(Buffer.from(page)), { contentType: 'text/html', isCertain: true }, page)
})

test('white space, byte order marks and comments do not hide a page', t => {
  for (const page of [
    '  \r\n\t <html>',
    '\ufeff<html>',
    '\ufeff \n<!-- a --> <!-- b -- > c -->\n<html>',
    '<!----><script>',
  ]) {
    t.is(sniff(page), 'text/html', JSON.stringify(page))
  }
})

test('pages in UTF-16 are found', t => {
  const little = Buffer.from('\ufeff<!doctype html>', 'utf16le')
  t.is(sniffMarkup(little)?.contentType, 'text/html')
  t.is(sniffMarkup(Buffer.from(little).swap16())?.contentType, 'text/html')
})

test('XHTML is a page', t => {
  t.is(sniff('<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">'), 'text/html')
  t.is(sniff('<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">'), 'text/html')
})

test('drawings are found behind everything that editors put in front', t => {
  const drawings = [
    '<svg xmlns="http://www.w3.org/2000/svg">',
    '<?xml version="1.0" encoding="utf-8"?>\n<!-- Generator: x -->\n<svg>',
    '<!-- made by hand --><svg width="1"/>',
    '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">\n<svg>',
    '<?xml version="1.0"?><?xml-stylesheet href="a.css"?><!DOCTYPE x:svg [ <!ENTITY ns "http://x"> ]><x:svg>',
    '<svg:svg xmlns:svg="http://www.w3.org/2000/svg">',
  ]
  for (const drawing of drawings) t.is(sniff(drawing), 'image/svg+xml', drawing)
})

test('other XML is XML, and only with a declaration', t => {
  t.is(sniff('<?xml version="1.0"?><rss version="2.0">'), 'application/xml')
  t.is(sniff('<?xml version="1.0"?><table>'), 'application/xml')
  t.is(sniff('<rss version="2.0">'), undefined)
})

test('scripts are known by the path of what runs them', t => {
  t.is(sniff('#!/bin/sh\necho'), 'text/x-shellscript')
  t.is(sniff('#! /usr/bin/env node'), 'text/x-shellscript')
  t.is(sniff('#!AMR'), undefined)
  t.is(sniff('#! note to self'), undefined)
})

test('prose is not markup', t => {
  for (const text of [
    '',
    '<',
    '< html>',
    '<3 <html>',
    'see <html>',
    '<htmlx>',
    '<bob> hello',
    '<aside',
    '<!doc',
    '1 < 2',
    '<me@example.com>',
  ]) {
    t.is(sniff(text), undefined, text)
  }
})

test('a comment alone is only a guess', t => {
  t.deepEqual(sniffMarkup(Buffer.from('<!-- toc -->\n# Title')), { contentType: 'text/html', isCertain: false })
  t.deepEqual(sniffMarkup(Buffer.from('<!-- never ends')), { contentType: 'text/html', isCertain: false })
})

test('no bytes confuse it', t => {
  const piece = fc.constantFrom(
    '<!--',
    '-->',
    '<?xml ',
    '?>',
    '<!doctype ',
    '[',
    ']>',
    '<svg',
    '<html',
    '>',
    ' ',
    '\0',
    '\ufffd',
    '<',
    'é',
  )
  fc.assert(
    fc.property(fc.array(piece), pieces => {
      sniffMarkup(Buffer.from(pieces.join('')))
      return true
    }),
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), bytes => sniffMarkup(bytes)?.contentType !== ''))
  t.pass()
})

test('a page is found behind any amount of white space of any width, in each encoding', t => {
  const white = fc.array(fc.constantFrom(' ', '\n', '\u00a0', '\u2003', '\u3000'), { maxLength: 200 })
  fc.assert(
    fc.property(white, spaces => {
      const page = `${spaces.join('')}<html>`
      t.is(sniff(page), 'text/html')
      const utf16 = Buffer.from(`\ufeff${page}`, 'utf16le')
      t.is(sniffMarkup(utf16)?.contentType, 'text/html')
      t.is(sniffMarkup(utf16.swap16())?.contentType, 'text/html')
    }),
  )
})

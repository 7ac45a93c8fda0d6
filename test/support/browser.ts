import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { temporaryDirectory } from './service.ts';

type Teardown = { teardown(done: () => unknown): unknown };

const executablePath = '/usr/bin/chromium';

/** Why there is no browser; false where there is one. */
export const noBrowser = existsSync(executablePath) ? false : 'chromium is not installed (Debian: chromium)';

export interface Browser {
  context: BrowserContext;
  page: Page;
  /** Where it keeps what it keeps. */
  profile: string;
  /** What pages said of themselves, refused by policy included, and what they asked for. */
  said: string[];
  asked: string[];
}

/** A new one, with nothing in it, that phones nobody. Closed when the test ends. */
export async function openBrowser(t: Teardown): Promise<Browser> {
  const profile = temporaryDirectory(t);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    chromiumSandbox: false,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
    viewport: { width: 1200, height: 900 },
    timeout: 120_000,
  });
  t.teardown(() => context.close());
  // This machine may be slow: what is waited for comes, sooner or later.
  context.setDefaultTimeout(60_000);
  const page = context.pages()[0] ?? (await context.newPage());
  const said: string[] = [];
  const asked: string[] = [];
  page.on('console', message => said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', error => said.push(`pageerror: ${error.message}`));
  context.on('request', request => asked.push(request.url()));
  return { context, page, profile, said, asked };
}

const results = join(import.meta.dirname, '../../test-results');

/** Keeps what the page looks like, for people to see. */
export async function keepScreenshot(page: Page, name: string): Promise<string> {
  mkdirSync(results, { recursive: true });
  const path = join(results, `${name}.png`);
  await page.screenshot({ path, fullPage: true });
  return path;
}

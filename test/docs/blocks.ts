/**
 * Code blocks of a page, as the documents of this repository mark them.
 *
 * A block of `ts`, `js` or `sh` is run unless its fence says otherwise:
 *
 *   ```ts                          a program of its own
 *   ```ts continues                goes on where the block before it stopped
 *   ```ts file=server.ts           a file of an example; the blocks with `file=` up to the next heading of level 1 or 2
 *                                  belong together: the last one is run, those that another imports are modules, the
 *                                  others run beside it and are ready when they have printed their first line
 *   ```sh no-run: needs a browser  not run; the reason is for the reader of the source
 *
 * A `text` block right after one of these is what it prints; `...` in it stands for anything.
 */
const RUNNABLE = ['ts', 'js', 'sh'];

export interface Block {
  readonly language: string;
  readonly code: string;
  /** line of its fence in the page, from 1 */
  readonly line: number;
  readonly file: string | undefined;
  readonly continues: boolean;
  /** why it is not run; undefined when it is */
  readonly skipped: string | undefined;
  /** what it prints, when the page shows it */
  readonly output: string | undefined;
}

/** One thing to run: a single block, or the files of an example, the program to run last. */
export interface Example {
  readonly line: number;
  readonly language: string;
  readonly parts: readonly Block[];
}

interface Fence {
  readonly info: string;
  readonly code: string;
  readonly line: number;
  readonly section: number;
}

/** Fences of a page in order, with a count of the headings of level 1 and 2 above each. */
function fences(page: string): Fence[] {
  const found: Fence[] = [];
  let open: { mark: string; indent: number; info: string; line: number; code: string[] } | undefined;
  let section = 0;
  for (const [index, text] of page.split('\n').entries()) {
    const [, indent = '', mark, info = ''] = /^( *)(`{3,}|~{3,})(.*)$/.exec(text) ?? [];
    if (open === undefined) {
      if (mark !== undefined)
        open = { mark, indent: indent.length, info: info.trim(), line: index + 1, code: [] };
      else if (/^##? /.test(text)) section++;
    } else if (mark?.startsWith(open.mark) && info.trim() === '') {
      found.push({ info: open.info, code: `${open.code.join('\n')}\n`, line: open.line, section });
      open = undefined;
    } else {
      open.code.push(text.slice(Math.min(open.indent, text.length - text.trimStart().length)));
    }
  }
  if (open !== undefined) throw new Error(`the block opened in line ${open.line} is never closed`);
  return found;
}

function blockOf(fence: Fence, next: Fence | undefined): Block | undefined {
  const [, language = '', rest = ''] = /^(\S*)\s*(.*)$/.exec(fence.info) ?? [];
  if (!RUNNABLE.includes(language)) return undefined;
  const [, attributes = '', reason] = /^(.*?)(?:\bno-run\b:?\s*(.*))?$/.exec(rest) ?? [];
  const words = attributes.split(/\s+/).filter((word) => word !== '');
  const file = words.find((word) => word.startsWith('file='))?.slice('file='.length);
  const unknown = words.filter((word) => !word.startsWith('file=') && word !== 'continues');
  if (unknown.length > 0)
    throw new Error(`line ${fence.line}: nobody knows what "${unknown.join(' ')}" means`);
  if (reason === '') throw new Error(`line ${fence.line}: no-run needs a reason`);
  if (file !== undefined && !/^[a-z0-9][a-z0-9.-]*\.(ts|m?js)$/.test(file)) {
    throw new Error(`line ${fence.line}: "${file}" is no plain file name`);
  }
  return {
    language,
    code: fence.code,
    line: fence.line,
    file,
    continues: words.includes('continues'),
    skipped: reason,
    output: next?.info === 'text' ? next.code : undefined,
  };
}

/** Everything a page asks to be run, in its order. */
export function examplesOf(page: string): Example[] {
  const all = fences(page);
  const examples: { line: number; language: string; parts: Block[]; section: number; files: boolean }[] = [];
  for (const [index, fence] of all.entries()) {
    const block = blockOf(fence, all[index + 1]);
    if (block === undefined || block.skipped !== undefined) continue;
    const last = examples.at(-1);
    if (block.continues) {
      const before = last?.parts.at(-1);
      if (last === undefined || before === undefined || last.files) {
        throw new Error(`line ${block.line}: there is no block to continue`);
      }
      last.parts[last.parts.length - 1] = {
        ...block,
        line: before.line,
        code: before.code + block.code,
        output: block.output === undefined ? before.output : (before.output ?? '') + block.output,
      };
    } else if (block.file !== undefined && last?.files && last.section === fence.section) {
      last.parts.push(block);
    } else {
      examples.push({
        line: block.line,
        language: block.language,
        parts: [block],
        section: fence.section,
        files: block.file !== undefined,
      });
    }
  }
  return examples.map(({ line, language, parts }) => ({ line, language, parts }));
}

/** Whether `printed` is what the page shows: line by line, `...` for anything, spaces at line ends ignored. */
export function prints(shown: string, printed: string): boolean {
  const tidy = (text: string): string => text.replace(/[ \t]+$/gm, '').trim();
  const pattern = tidy(shown)
    .split(/\.\.\.|…/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[\\s\\S]*?');
  return new RegExp(`^${pattern}$`).test(tidy(printed));
}

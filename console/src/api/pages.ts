/** Lists that come in pages. */

interface Page<Item> {
  data: Item[];
  total: number;
}

/** The most that the server sends at once. */
export const LONGEST_PAGE = 100;

/** Return all items of a list that is known to be short, page by page. */
export async function everyItem<Item>(
  read: (offset: number) => Promise<Page<Item>>,
): Promise<Item[]> {
  const items: Item[] = [];
  for (;;) {
    const page = await read(items.length);
    items.push(...page.data);
    if (page.data.length === 0 || items.length >= page.total) return items;
  }
}

/** Return the page that an address names, from 1; the first if it names none that can be. */
export function pageNumber(text: string | undefined): number {
  const page = Number(text ?? 1);
  return Number.isInteger(page) && page >= 1 && page <= 1_000_000 ? page : 1;
}

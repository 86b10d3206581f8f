/** Where keys belong to what has the focus, and not to the screen. */

const FIELDS = "input:not([type=checkbox], [type=radio], [type=button]), textarea, select";
const POPUPS = "[role=dialog], [role=alertdialog], [role=menu], [role=listbox]";

/** Tell whether keys at an element write text or belong to a dialog, a menu or a list. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.closest(`${FIELDS}, ${POPUPS}`) !== null;
}

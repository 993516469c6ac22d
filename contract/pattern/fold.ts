import { classEnd } from "./normalise.ts";

const BEYOND_ASCII = /[^\0-\x7f]/;

/** A text in which letters that differ only by case are the same; no shorter in letters, and in NFC. */
export function foldCase(text: string): string {
  if (!BEYOND_ASCII.test(text)) return text.toLowerCase();
  return Array.from(text, foldLetter).join("").normalize("NFC");
}

/** Over the upper case, as some letters have two lower ones. What would become several letters stays as it is. */
function foldLetter(letter: string): string {
  const upper = letter.toUpperCase();
  const lower = (isOne(upper) ? upper : letter).toLowerCase();
  return isOne(lower) ? lower : letter;
}

const isOne = (text: string): boolean => Array.from(text).length === 1;

/** The same of a normalised pattern; its classes stay, because a range means something else in lower case. */
export function foldPattern(text: string): string {
  let folded = "";
  let from = 0;
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === "[") {
      const end = classEnd(text, i) + 1;
      folded += foldCase(text.slice(from, i)) + text.slice(i, end);
      from = end;
      i = end - 1;
    }
  }
  return folded + foldCase(text.slice(from));
}

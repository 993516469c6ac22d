import { randomInt } from "node:crypto";

const ADJECTIVES =
  "Able Agile Amber Ample Apt Azure Bold Brave Bright Brisk Bronze Calm Candid Civil Clear Clever Cobalt Coral Crisp Daring Deft Eager Early Easy Exact Fair Fast Fine Firm Fleet Fond Frank Fresh Gentle Glad Golden Grand Green Hardy Hazel Honest Ivory Jade Jolly Keen Kind Lively Loyal Lucid Lunar Merry Mild Mint Modest Neat Nimble Noble Ochre Olive Opal Patient Pearl Plain Polar Prime Proud Quick Quiet Rapid Ready Robust Rosy Ruby Rustic Sandy Sharp Silent Silver Sincere Smart Smooth Solar Solid Spry Stable Steady Stoic Sturdy Sunny Sure Swift Teal Tidy Topaz Trusty Upbeat Urban Vivid Warm Wise Witty Zesty".split(
    " ",
  );
const NOUNS =
  "Acorn Alder Anchor Arrow Aspen Badger Basin Beacon Beech Birch Bison Bluff Brook Canyon Cedar Cliff Cloud Comet Condor Coral Cove Crane Creek Cypress Dale Delta Dune Eagle Egret Elk Elm Ember Falcon Fern Field Finch Fjord Forest Fox Glacier Glade Grove Gull Harbor Hawk Heath Heron Hill Ibis Island Jay Juniper Kestrel Lagoon Lake Larch Lark Ledge Linden Lynx Maple Marten Meadow Mesa Moor Moss Oak Ocean Orchid Osprey Otter Owl Panda Pebble Pine Plain Plover Pond Poplar Prairie Puffin Quail Quarry Raven Reed Reef Ridge River Robin Rowan Sable Sequoia Shore Sparrow Spruce Stone Stork Summit Swan Tern Thistle Tiger Trout Tundra Valley Walnut Willow Wolf Wren".split(
    " ",
  );

const pick = (words: readonly string[]): string => words[randomInt(words.length)] ?? "";

/** An adjective and a noun, such as BraveOtter. @param longer with a number of four digits behind it */
export const generateName = (longer = false): string =>
  `${pick(ADJECTIVES)}${pick(NOUNS)}${longer ? randomInt(1_000, 10_000) : ""}`;

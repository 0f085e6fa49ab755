"use strict";
/* Numbers rounded as normscope/rounding.py and wording.py do: by the digits that a number shows, half
   of the last one goes up. toFixed rounds what it holds in binary, by which 0.145 is 0.14. */
const rounding = (() => {
  const fixed = (value, decimals, shift = 0) => {
    if (!(Math.abs(value) < 1e15)) return (value * 10 ** shift).toFixed(decimals);
    const [digits, exponent] = Math.abs(value).toExponential().split("e");
    const whole = digits.replace(".", "");
    const places = Number(exponent) - (whole.length - 1) + shift + decimals;
    let scaled = BigInt(whole);
    if (places >= 0) scaled *= 10n ** BigInt(places);
    else {
      const unit = 10n ** BigInt(-places);
      scaled = (2n * scaled + unit) / (2n * unit);
    }
    const text = String(scaled).padStart(decimals + 1, "0");
    const sign = value < 0 && scaled > 0n ? "-" : "";
    return sign + (decimals ? `${text.slice(0, -decimals)}.${text.slice(-decimals)}` : text);
  };
  /* A share in per cent with two significant digits, or as many as tell it from all. */
  const percent = (share) => {
    const perCent = 100 * share;
    if (!(perCent >= 1e-4)) return String(Number(perCent.toPrecision(2)));
    const decimals = perCent >= 99 ? 1 : Math.max(0, 1 - Math.floor(Math.log10(perCent)));
    return String(Number(fixed(share, decimals, 2)));
  };
  return { fixed, percent };
})();

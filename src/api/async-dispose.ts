/// <reference lib="esnext.disposable" preserve="true" />

// `await using` looks for a method under this symbol, which Node has from 20.5 on, and where it is compiled, so does TypeScript's code.
if (Symbol.asyncDispose === undefined) {
  Object.defineProperty(Symbol, 'asyncDispose', { value: Symbol('Symbol.asyncDispose') })
}

declare const brand: unique symbol;
/** A `T` that was made in one place: values of two brands do not fit each other. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

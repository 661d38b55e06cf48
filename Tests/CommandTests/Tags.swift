import Testing

extension Tag {
  /// Takes long: many runs of the program.
  @Tag static var long: Self
  /// Waits for something to happen in time: not for a machine with other work.
  @Tag static var timing: Self
}

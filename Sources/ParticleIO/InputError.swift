/// A mistake in a file that the user gave: where it is, what was found and what was expected.
public struct InputError: Error, CustomStringConvertible, Sendable {
  /// The path of the file, as the user or the STAR file gave it.
  public let file: String
  /// The line, counted from 1.
  public let line: Int?
  /// The STAR label, without the leading underscore.
  public let column: String?
  /// The particle's 0-based index; printed counted from 1.
  public let particle: Int?
  /// What was found and what was expected.
  public let message: String
  /// What the user may say to have it accepted; nil where nothing helps but another file.
  public let remedy: InputRemedy?

  /// A mistake in `file`, as exactly as its place is known.
  public init(
    file: String, line: Int? = nil, column: String? = nil, particle: Int? = nil, _ message: String,
    remedy: InputRemedy? = nil
  ) {
    self.file = file
    self.line = line
    self.column = column
    self.particle = particle
    self.message = message
    self.remedy = remedy
  }

  public var description: String {
    var text = file
    if let line { text += ":\(line)" }
    if let column { text += ": column \(column)" }
    if let particle { text += ": particle \(particle + 1) (counted from 1)" }
    return text + ": " + message
  }
}

/// What lets a file be accepted that is refused.
public enum InputRemedy: Equatable, Sendable {
  /// `CTFSource.ignored`, where there is no CTF to correct.
  case ignoringCTF
}

/// An output file that could not be written, for example because the disk is full.
public struct OutputError: Error, CustomStringConvertible, Sendable {
  /// The file's final path, whatever its temporary name was.
  public let file: String
  /// What went wrong.
  public let message: String

  /// A failure to write `file`.
  public init(file: String, _ message: String) {
    self.file = file
    self.message = message
  }

  public var description: String { "\(file): \(message)" }
}

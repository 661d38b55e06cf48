/// A STAR file as RELION and the programs around it write it: tables with or without `loop_`, one
/// row a line, labels with or without `#n`, quoted values, comments, LF or CRLF.
public struct STARFile: Sendable {
  /// The path it was read from.
  public let path: String
  /// The tables in the file's order.
  public let tables: [STARTable]

  /// Reads a file and checks its structure; throws `InputError` with the line.
  public static func read(path: String) throws -> STARFile {
    let source = try STARSource(path: path)
    var parser = STARParser(file: path, source: source)
    try parser.parse()
    guard !parser.tables.isEmpty else {
      throw InputError(file: path, "holds no table (data_...): not a STAR file")
    }
    return STARFile(path: path, tables: parser.tables)
  }

  /// The first table of that name (without `data_`).
  public func table(_ name: String) -> STARTable? { tables.first { $0.name == name } }

  /// The tables that have a column of that label.
  public func tables(withColumn label: String) -> [STARTable] {
    tables.filter { $0.column(label) != nil }
  }
}

/// Finds the tables and rows of a STAR file, line by line, and counts every row's cells.
private struct STARParser {
  let file: String
  let source: STARSource
  var tables: [STARTable] = []

  private enum State { case outside, pairs, labels, rows }
  private var state = State.outside
  private var name = ""
  private var nameLine = 0
  private var labels: [String] = []
  private var rows: [(start: Int, line: Int32)] = []
  private var pairs: [(cell: STARCell, line: Int32)] = []

  init(file: String, source: STARSource) {
    self.file = file
    self.source = source
  }

  mutating func parse() throws {
    var start = 0
    if source.count >= 3, source.bytes[0] == 0xEF, source.bytes[1] == 0xBB, source.bytes[2] == 0xBF
    {
      start = 3  // a byte order mark
    }
    var line = 1
    while start < source.count {
      let end = source.endOfLine(from: start)
      try parse(start..<end, line)
      start = end + 1
      line += 1
    }
    try closeTable()
  }

  private mutating func parse(_ range: Range<Int>, _ line: Int) throws {
    var position = range.lowerBound
    guard let first = try cell(&position, range, line) else { return }
    // The first byte tells most rows from keywords without making a string of their first value.
    let byte = source.bytes[first.start]
    let isQuoted = first.start > range.lowerBound && isQuote(source.bytes[first.start - 1])
    if !isQuoted, byte | 0x20 == UInt8(ascii: "d") || byte | 0x20 == UInt8(ascii: "l") {
      if try parseKeyword(source.text(first), position, range, line) { return }
    }
    switch state {
    case .outside:
      throw InputError(
        file: file, line: line,
        "found \"\(source.text(first))\" where a table (data_...) must begin")
    case .pairs, .labels:
      if byte == UInt8(ascii: "_"), !isQuoted, try parseLabel(first, position, range, line) {
        return
      }
      guard state == .labels, !labels.isEmpty else {
        throw InputError(
          file: file, line: line,
          "found \"\(source.text(first))\" where a label (_rln...) is expected")
      }
      state = .rows
      try parseRow(range, line)
    case .rows: try parseRow(range, line)
    }
  }

  private func isQuote(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
  }

  private func cell(_ position: inout Int, _ range: Range<Int>, _ line: Int) throws -> STARCell? {
    var unterminated = false
    let cell = source.nextCell(&position, end: range.upperBound, unterminated: &unterminated)
    if unterminated { throw InputError(file: file, line: line, "a quote is never closed") }
    return cell
  }

  /// Takes `data_NAME` and `loop_` lines; false for a row whose first value only looks like one.
  private mutating func parseKeyword(
    _ word: String, _ position: Int, _ range: Range<Int>, _ line: Int
  ) throws -> Bool {
    let isData = word.hasPrefix("data_")
    guard isData || word == "loop_" else { return false }
    var rest = position
    if try cell(&rest, range, line) != nil { return false }
    if isData {
      try closeTable()
      name = String(word.dropFirst(5))
      nameLine = line
      state = .pairs
    } else {
      guard state == .pairs, labels.isEmpty else {
        throw InputError(file: file, line: line, "loop_ without data_ before it, or a second loop_")
      }
      state = .labels
    }
    return true
  }

  /// Takes `_label #n` of a loop and `_label value` of a list; false for a loop's first row whose
  /// first value begins with an underscore.
  private mutating func parseLabel(
    _ first: STARCell, _ position: Int, _ range: Range<Int>, _ line: Int
  ) throws -> Bool {
    var rest = position
    let value = try cell(&rest, range, line)
    let label = String(source.text(first).dropFirst())
    if state == .labels {
      if value != nil { return false }
    } else {
      guard let value else {
        throw InputError(file: file, line: line, column: label, "has no value")
      }
      if try cell(&rest, range, line) != nil {
        throw InputError(file: file, line: line, column: label, "has more than one value")
      }
      pairs.append((value, Int32(line)))
    }
    if labels.contains(label) {
      throw InputError(file: file, line: line, column: label, "occurs twice in data_\(name)")
    }
    labels.append(label)
    return true
  }

  private mutating func parseRow(_ range: Range<Int>, _ line: Int) throws {
    var position = range.lowerBound
    var count = 0
    while try cell(&position, range, line) != nil { count += 1 }
    if count < labels.count {
      throw InputError(
        file: file, line: line, column: labels[count],
        "missing: the row has \(count) values, data_\(name) has \(labels.count) columns")
    }
    if count > labels.count {
      throw InputError(
        file: file, line: line,
        "the row has \(count) values, data_\(name) has \(labels.count) columns")
    }
    rows.append((range.lowerBound, Int32(line)))
  }

  private mutating func closeTable() throws {
    if state != .outside {
      tables.append(
        STARTable(
          file: file, name: name, line: nameLine, labels: labels, source: source, rows: rows,
          pairs: pairs))
    }
    labels = []
    rows = []
    pairs = []
  }
}

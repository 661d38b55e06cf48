/// One table (`data_NAME`) of a STAR file: a loop, or label and value pairs, which are one row.
public struct STARTable: Sendable {
  /// The file it was read from.
  public let file: String
  /// The name without `data_`; may be empty.
  public let name: String
  /// The line of `data_NAME`, counted from 1.
  public let line: Int
  /// The columns' labels without the leading underscore, such as `rlnDefocusU`.
  public let labels: [String]
  /// The number of rows.
  public var rowCount: Int { rows.isEmpty ? (pairs.isEmpty ? 0 : 1) : rows.count }

  let source: STARSource
  /// Start and line of a loop's rows.
  let rows: [(start: Int, line: Int32)]
  /// The values of a table without `loop_`, with their lines.
  let pairs: [(cell: STARCell, line: Int32)]

  /// The position of a column; nil when the table lacks it.
  public func column(_ label: String) -> Int? { labels.firstIndex(of: label) }

  /// The position of a column; throws `InputError` when the table lacks it.
  public func requiredColumn(_ label: String) throws -> Int {
    guard let column = column(label) else {
      throw InputError(
        file: file, line: line, column: label, "missing in table data_\(name)")
    }
    return column
  }

  /// The line of a row, counted from 1.
  public func line(ofRow row: Int) -> Int { rows.isEmpty ? line : Int(rows[row].line) }

  /// Calls `body` for each row, in order, with access to the given columns (positions in `labels`).
  public func forEachRow(_ columns: [Int], _ body: (_ index: Int, _ row: STARRow) throws -> Void)
    rethrows
  {
    var row = STARRow(table: self, columns: columns)
    for index in 0..<rowCount {
      row.move(to: index)
      try body(index, row)
    }
  }

  private func row(_ index: Int, _ label: String) throws -> STARRow {
    precondition(index >= 0 && index < rowCount, "row out of range")
    var row = STARRow(table: self, columns: [try requiredColumn(label)])
    row.move(to: index)
    return row
  }

  /// One value as text; throws `InputError` when the column is missing.
  public func string(_ label: String, row: Int) throws -> String {
    try self.row(row, label).string(0)
  }

  /// One value as a finite number; throws `InputError` with line and column otherwise.
  public func double(_ label: String, row: Int) throws -> Double {
    try self.row(row, label).double(0)
  }

  /// One value as an integer; throws `InputError` with line and column otherwise.
  public func int(_ label: String, row: Int) throws -> Int { try self.row(row, label).int(0) }

  /// A whole column as finite numbers.
  public func doubles(_ label: String) throws -> [Double] {
    var values: [Double] = []
    values.reserveCapacity(rowCount)
    try forEachRow([try requiredColumn(label)]) { values.append(try $1.double(0)) }
    return values
  }

  /// A whole column as integers.
  public func ints(_ label: String) throws -> [Int] {
    var values: [Int] = []
    values.reserveCapacity(rowCount)
    try forEachRow([try requiredColumn(label)]) { values.append(try $1.int(0)) }
    return values
  }

  /// A whole column as text.
  public func strings(_ label: String) throws -> [String] {
    var values: [String] = []
    values.reserveCapacity(rowCount)
    forEachRow([try requiredColumn(label)]) { values.append($1.string(0)) }
    return values
  }
}

/// One row of a table, seen through some of its columns; `i` counts those asked for.
public struct STARRow {
  let table: STARTable
  /// Positions in the table's labels.
  let columns: [Int]
  /// The row's cells, of the columns asked for.
  private(set) var cells: [STARCell]
  private(set) var lines: [Int32]
  /// For each column of the table, up to the last one needed, its place among `columns`.
  private let places: [[Int]]

  init(table: STARTable, columns: [Int]) {
    self.table = table
    self.columns = columns
    cells = Array(repeating: STARCell(start: 0, end: 0), count: columns.count)
    lines = Array(repeating: 0, count: columns.count)
    var places = [[Int]](repeating: [], count: (columns.max() ?? -1) + 1)
    for (place, column) in columns.enumerated() { places[column].append(place) }
    self.places = places
  }

  mutating func move(to index: Int) {
    guard !table.rows.isEmpty else {
      for (place, column) in columns.enumerated() {
        cells[place] = table.pairs[column].cell
        lines[place] = table.pairs[column].line
      }
      return
    }
    let row = table.rows[index]
    var position = row.start
    let end = table.source.endOfLine(from: row.start)
    var unterminated = false
    for column in places {
      // Parsing has counted the cells of every row.
      let cell = table.source.nextCell(&position, end: end, unterminated: &unterminated)!
      for place in column {
        cells[place] = cell
        lines[place] = row.line
      }
    }
  }

  /// The value as text, quotes removed.
  public func string(_ i: Int) -> String { table.source.text(cells[i]) }

  /// The value's bytes, valid while the table lives.
  func bytes(_ i: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: table.source.bytes[cells[i].start..<cells[i].end])
  }

  /// The value as a finite number; throws `InputError` with line and column otherwise.
  public func double(_ i: Int) throws -> Double {
    guard let value = table.source.number(cells[i]) else {
      throw error(i, "found \"\(string(i))\", a number expected")
    }
    return value
  }

  /// The value as an integer, also when written like 1.000; throws `InputError` otherwise.
  public func int(_ i: Int) throws -> Int {
    guard let value = table.source.number(cells[i]), let integer = Int(exactly: value) else {
      throw error(i, "found \"\(string(i))\", an integer expected")
    }
    return integer
  }

  /// An error about the value, with its line and column.
  func error(_ i: Int, particle: Int? = nil, _ message: String) -> InputError {
    InputError(
      file: table.file, line: Int(lines[i]), column: table.labels[columns[i]], particle: particle,
      message)
  }
}

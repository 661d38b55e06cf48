/// The optics groups of a STAR file's `data_optics`.
struct OpticsTable {
  var groups: [OpticsGroup] = []
  /// The STAR file's line of each group.
  var lines: [Int] = []

  /// Reads `data_optics`; throws `InputError` for missing columns, duplicate numbers and values out
  /// of range.
  init(_ table: STARTable, ctf: CTFSource) throws {
    guard table.rowCount > 0 else {
      throw InputError(file: table.file, line: table.line, "data_optics has no rows")
    }
    var columns = ColumnChoice(table)
    let number = try columns.required("rlnOpticsGroup")
    let pixelSize = try columns.required("rlnImagePixelSize")
    let microscope = try MicroscopeColumns(&columns, ctf: ctf)
    let name = columns.optional("rlnOpticsGroupName")
    let imageSize = columns.optional("rlnImageSize")
    let premultiplied = columns.optional("rlnCtfDataAreCtfPremultiplied")
    let phaseFlipped = columns.optional("rlnCtfDataArePhaseFlipped")
    try table.forEachRow(columns.positions) { _, row in
      let value = try row.int(number)
      if let first = groups.firstIndex(where: { $0.number == value }) {
        throw row.error(number, "optics group \(value) occurs twice, first on line \(lines[first])")
      }
      let settings = try microscope.read(row)
      groups.append(
        OpticsGroup(
          number: value, name: name.map { row.string($0) } ?? "opticsGroup\(value)",
          voltage: settings.voltage, sphericalAberration: settings.sphericalAberration,
          amplitudeContrast: settings.amplitudeContrast, pixelSize: try row.positive(pixelSize),
          imageSize: try imageSize.map { try row.int($0) },
          isCTFPremultiplied: try premultiplied.map { try row.int($0) != 0 } ?? false,
          isPhaseFlipped: try phaseFlipped.map { try row.int($0) != 0 } ?? false))
      lines.append(Int(row.lines[number]))
    }
  }
}

/// Columns to be read of a table, in the order in which they were asked for.
struct ColumnChoice {
  let table: STARTable
  private(set) var positions: [Int] = []

  init(_ table: STARTable) { self.table = table }

  /// The column's place among those chosen; nil when the table lacks it.
  mutating func optional(_ label: String) -> Int? {
    guard let position = table.column(label) else { return nil }
    positions.append(position)
    return positions.count - 1
  }

  /// The column's place among those chosen; throws when the table lacks it.
  mutating func required(_ label: String) throws -> Int {
    positions.append(try table.requiredColumn(label))
    return positions.count - 1
  }

  /// The places of columns of the CTF; throws one error for all that are missing.
  mutating func requiredForCTF(_ labels: [String], advice: String = "") throws -> [Int] {
    let missing = labels.filter { table.column($0) == nil }
    guard missing.isEmpty else {
      throw InputError(
        file: table.file, line: table.line,
        "table data_\(table.name) lacks \(missing.joined(separator: ", ")), which the CTF needs"
          + advice, remedy: .ignoringCTF)
    }
    return labels.map { optional($0)! }
  }
}

/// The columns of voltage, spherical aberration and amplitude contrast, in either table.
struct MicroscopeColumns {
  struct Settings: Hashable {
    var voltage: Double
    var sphericalAberration: Double
    var amplitudeContrast: Double
  }

  private static let labels = ["rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"]
  private var places: [Int]?

  init(_ columns: inout ColumnChoice, ctf: CTFSource, advice: String = "") throws {
    switch ctf {
    case .required: places = try columns.requiredForCTF(Self.labels, advice: advice)
    case .ignored: places = nil
    }
  }

  /// The row's settings, in range; those of `CTFParameters.identity` when the CTF is ignored.
  func read(_ row: STARRow) throws -> Settings {
    guard let places else {
      let none = CTFParameters.identity
      return Settings(
        voltage: none.voltage, sphericalAberration: none.sphericalAberration,
        amplitudeContrast: none.amplitudeContrast)
    }
    let contrast = try row.double(places[2])
    guard (0...1).contains(contrast) else {
      throw row.error(places[2], "found \(contrast), 0 to 1 expected")
    }
    return Settings(
      voltage: try row.positive(places[0]), sphericalAberration: try row.double(places[1]),
      amplitudeContrast: contrast)
  }
}

extension STARRow {
  /// The value as a number above 0; throws `InputError` with line and column otherwise.
  func positive(_ i: Int) throws -> Double {
    let value = try double(i)
    guard value > 0 else { throw error(i, "found \(value), a number above 0 expected") }
    return value
  }
}

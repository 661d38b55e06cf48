import Foundation

/// The particles of a STAR file before their stacks are looked at.
struct ParticleTable {
  let table: STARTable
  private let optics: STARTable?
  private(set) var groups: [OpticsGroup] = []
  /// The STAR file's line of each optics group; nil where groups come from the particles' columns.
  private(set) var groupLines: [Int]?
  private(set) var particles: [Particle] = []
  /// Stack names as the STAR file has them.
  private(set) var stackNames: [String] = []
  private(set) var isPixelSizeKnown = true
  /// Where the particles' origins come from; nil where the file has none.
  private(set) var originColumn: String?

  /// Finds the one particle table and the optics table, if any; throws `InputError`.
  init(_ star: STARFile) throws {
    let candidates = star.tables(withColumn: "rlnImageName")
    guard let table = candidates.first else {
      throw InputError(file: star.path, "no table has the column rlnImageName: no particles")
    }
    if candidates.count > 1 {
      let places = candidates.map { "data_\($0.name) (line \($0.line))" }
      throw InputError(
        file: star.path, line: candidates[1].line,
        "\(candidates.count) tables have particles, one is needed: "
          + places.joined(separator: ", "))
    }
    guard table.rowCount > 0 else {
      throw InputError(file: star.path, line: table.line, "data_\(table.name) has no rows")
    }
    let optics = star.tables.filter { $0.name == "optics" }
    if optics.count > 1 {
      throw InputError(
        file: star.path, line: optics[1].line,
        "a second data_optics; the first is on line \(optics[0].line)")
    }
    self.table = table
    self.optics = optics.first
  }

  /// Reads optics groups and particles; throws `InputError`.
  mutating func read(ctf: CTFSource) throws {
    var columns = ColumnChoice(table)
    let image = try columns.required("rlnImageName")
    let ctfColumns = try ctf == .required ? ParticleCTFColumns(&columns) : nil
    let origin = OriginColumns(&columns)
    originColumn = origin.firstLabel
    var opticsReader: any ParticleOptics =
      if let optics {
        try NamedOptics(&columns, optics: try OpticsTable(optics, ctf: ctf))
      } else {
        try ColumnOptics(&columns, ctf: ctf)
      }
    var names = StackNames()
    var read: [Particle] = []
    read.reserveCapacity(table.rowCount)
    try table.forEachRow(columns.positions) { index, row in
      let (section, stack) = try names.parse(row, image, particle: index)
      let group = try opticsReader.group(row, particle: index)
      let parameters = try ctfColumns?.read(row, group: opticsReader.groups[group])
      read.append(
        Particle(
          stack: stack, section: section, opticsGroup: Int32(group), line: row.lines[image],
          ctf: parameters ?? .identity,
          displacement: try origin.displacement(
            row, pixelSize: opticsReader.groups[group].pixelSize)))
    }
    particles = read
    groups = opticsReader.groups
    groupLines = opticsReader.lines
    isPixelSizeKnown = opticsReader.isPixelSizeKnown
    stackNames = names.names
  }
}

/// The columns of a particle's own CTF.
private struct ParticleCTFColumns {
  private let defocus: [Int]
  private let phaseShift: Int?
  private let bFactor: Int?
  private let scale: Int?

  init(_ columns: inout ColumnChoice) throws {
    defocus = try columns.requiredForCTF(["rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"])
    phaseShift = columns.optional("rlnPhaseShift")
    bFactor = columns.optional("rlnCtfBfactor")
    scale = columns.optional("rlnCtfScalefactor")
  }

  func read(_ row: STARRow, group: OpticsGroup) throws -> CTFParameters {
    CTFParameters(
      voltage: group.voltage, sphericalAberration: group.sphericalAberration,
      amplitudeContrast: group.amplitudeContrast, defocusU: try row.double(defocus[0]),
      defocusV: try row.double(defocus[1]), defocusAngle: try row.double(defocus[2]),
      phaseShift: try phaseShift.map { try row.double($0) } ?? 0,
      bFactor: try bFactor.map { try row.double($0) } ?? 0,
      scale: try scale.map { try row.double($0) } ?? 1)
  }
}

/// The columns of a particle's origin: RELION's translation, which brings the particle to the centre.
private struct OriginColumns {
  private let columns: [Int]
  /// Whether they are in A; else in pixels, as before RELION 3.1.
  private let areLengths: Bool

  init(_ columns: inout ColumnChoice) {
    let lengths = ["rlnOriginXAngst", "rlnOriginYAngst"].compactMap { columns.optional($0) }
    areLengths = lengths.count == 2
    self.columns =
      areLengths ? lengths : ["rlnOriginX", "rlnOriginY"].compactMap { columns.optional($0) }
  }

  /// nil where the file has none.
  var firstLabel: String? {
    columns.count < 2 ? nil : areLengths ? "rlnOriginXAngst" : "rlnOriginX"
  }

  /// How far the particle lies from the centre, in pixels; 0 where the file says nothing.
  func displacement(_ row: STARRow, pixelSize: Double) throws -> SIMD2<Float> {
    guard columns.count == 2 else { return .zero }
    let unit = areLengths ? pixelSize : 1
    let (x, y) = (try row.double(columns[0]) / unit, try row.double(columns[1]) / unit)
    return SIMD2(Float(-x), Float(-y))
  }
}

/// Image names `INDEX@STACK`, and the stacks that they name.
private struct StackNames {
  private(set) var names: [String] = []
  private var numbers: [String: Int32] = [:]
  /// The bytes of the row before: neighbouring particles mostly share their stack.
  private var lastBytes: UnsafeRawBufferPointer?
  private var lastNumber: Int32 = 0

  /// The 0-based section and the stack's number; throws `InputError` for a malformed name.
  mutating func parse(_ row: STARRow, _ column: Int, particle: Int) throws -> (
    section: Int32, stack: Int32
  ) {
    let bytes = row.bytes(column)
    var index = 0
    var place = 0
    while place < bytes.count, bytes[place] != UInt8(ascii: "@") {
      let digit = Int(bytes[place]) - 48
      guard (0...9).contains(digit), index <= Int(Int32.max) / 10 - 1 else { break }
      index = index * 10 + digit
      place += 1
    }
    guard place > 0, place + 1 < bytes.count, bytes[place] == UInt8(ascii: "@") else {
      throw row.error(
        column, particle: particle,
        "found \"\(row.string(column))\", an image name like 000001@stack.mrcs expected")
    }
    guard index > 0 else {
      throw row.error(
        column, particle: particle,
        "found \"\(row.string(column))\": images are counted from 1")
    }
    let name = UnsafeRawBufferPointer(rebasing: bytes[(place + 1)...])
    return (Int32(index - 1), number(name))
  }

  private mutating func number(_ name: UnsafeRawBufferPointer) -> Int32 {
    if let lastBytes, lastBytes.count == name.count,
      memcmp(lastBytes.baseAddress!, name.baseAddress!, name.count) == 0
    {
      return lastNumber
    }
    let text = String(decoding: name, as: UTF8.self)
    let number = numbers[text] ?? Int32(names.count)
    if number == names.count {
      names.append(text)
      numbers[text] = number
    }
    lastBytes = name
    lastNumber = number
    return number
  }
}

/// Where a particle's optics group comes from.
protocol ParticleOptics {
  var groups: [OpticsGroup] { get }
  /// The STAR file's line of each group, where each has one.
  var lines: [Int]? { get }
  var isPixelSizeKnown: Bool { get }
  /// Index into `groups` of a particle's group; throws `InputError`.
  mutating func group(_ row: STARRow, particle: Int) throws -> Int
}

/// RELION 3.1 and later: particles name a group of `data_optics`.
struct NamedOptics: ParticleOptics {
  private let optics: OpticsTable
  private let column: Int?
  private let indices: [Int: Int]

  var groups: [OpticsGroup] { optics.groups }
  var lines: [Int]? { optics.lines }
  var isPixelSizeKnown: Bool { true }

  init(_ columns: inout ColumnChoice, optics: OpticsTable) throws {
    // With one group there is nothing to choose.
    column =
      optics.groups.count > 1
      ? try columns.required("rlnOpticsGroup") : columns.optional("rlnOpticsGroup")
    self.optics = optics
    indices = Dictionary(
      uniqueKeysWithValues: optics.groups.enumerated().map { ($1.number, $0) })
  }

  func group(_ row: STARRow, particle: Int) throws -> Int {
    guard let column else { return 0 }
    let number = try row.int(column)
    guard let index = indices[number] else {
      let known = groups.map { String($0.number) }.joined(separator: ", ")
      throw row.error(
        column, particle: particle,
        "optics group \(number) is not in data_optics, which has \(known)")
    }
    return index
  }
}

/// Before RELION 3.1: each particle has its microscope's settings; particles that share them all
/// make a group.
struct ColumnOptics: ParticleOptics {
  private struct Key: Hashable {
    var settings: MicroscopeColumns.Settings
    var pixelSize: Double
  }

  /// What the particle table says about the pixel size.
  private enum PixelSize {
    case column(Int)
    /// Detector pixel in um over magnification.
    case detector(Int, magnification: Int)
    case unknown
  }

  private let microscope: MicroscopeColumns
  private let pixelSize: PixelSize
  private var indices: [Key: Int] = [:]
  private(set) var groups: [OpticsGroup] = []

  var lines: [Int]? { nil }
  var isPixelSizeKnown: Bool { if case .unknown = pixelSize { false } else { true } }

  init(_ columns: inout ColumnChoice, ctf: CTFSource) throws {
    let advice =
      columns.table.column("rlnOpticsGroup") == nil
      ? "" : " (the particles name optics groups, but there is no data_optics)"
    microscope = try MicroscopeColumns(&columns, ctf: ctf, advice: advice)
    if let column = columns.optional("rlnImagePixelSize") {
      pixelSize = .column(column)
    } else if let detector = columns.optional("rlnDetectorPixelSize"),
      let magnification = columns.optional("rlnMagnification")
    {
      pixelSize = .detector(detector, magnification: magnification)
    } else if ctf == .ignored {
      pixelSize = .unknown
    } else {
      throw InputError(
        file: columns.table.file, line: columns.table.line,
        "table data_\(columns.table.name) gives no pixel size, which the CTF needs: "
          + "rlnDetectorPixelSize and rlnMagnification, or rlnImagePixelSize, expected")
    }
  }

  mutating func group(_ row: STARRow, particle: Int) throws -> Int {
    let size =
      switch pixelSize {
      case .column(let column): try row.positive(column)
      case .detector(let detector, let magnification):
        1e4 * (try row.positive(detector)) / (try row.positive(magnification))
      case .unknown: 1.0
      }
    let key = Key(settings: try microscope.read(row), pixelSize: size)
    if let index = indices[key] { return index }
    let index = groups.count
    indices[key] = index
    groups.append(
      OpticsGroup(
        number: index + 1, name: "opticsGroup\(index + 1)", voltage: key.settings.voltage,
        sphericalAberration: key.settings.sphericalAberration,
        amplitudeContrast: key.settings.amplitudeContrast, pixelSize: size))
    return index
  }
}

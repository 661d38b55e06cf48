import Foundation
import MPI

/// Writes an MRC2014 file of 32-bit floats, section by section.
///
/// The file has a temporary name until `finish`; without `finish` it is removed.
public final class MRCWriter {
  /// What the sections are: single images (space group 0) or the slices of a volume (1).
  public enum Content: Sendable {
    /// Single images, or the slices of one volume.
    case imageStack, volume
  }

  private let output: OutputFile
  private let width: Int
  private let height: Int
  private let sections: Int
  private let pixelSize: Double
  private let content: Content
  /// Of the sections that are written, in the order of writing.
  private var written: [(section: Int, statistics: SectionStatistics)] = []
  private var next = 0

  /// Starts a file of `sections` images of `width` x `height` pixels of `pixelSize` A; throws
  /// `OutputError`.
  public convenience init(
    path: String, width: Int, height: Int, sections: Int, pixelSize: Double, content: Content
  ) throws {
    self.init(
      try OutputFile(path: path), width: width, height: height, sections: sections,
      pixelSize: pixelSize, content: content)
  }

  init(
    _ output: OutputFile, width: Int, height: Int, sections: Int, pixelSize: Double,
    content: Content
  ) {
    precondition(width > 0 && height > 0 && sections > 0, "an MRC file without pixels")
    self.output = output
    self.width = width
    self.height = height
    self.sections = sections
    self.pixelSize = pixelSize
    self.content = content
  }

  /// Writes whole sections after those appended before, row-major, x fastest.
  public func append(_ pixels: UnsafeBufferPointer<Float>) throws {
    let size = width * height
    precondition(pixels.count % size == 0, "part of a section")
    try write(pixels, section: next)
    next += pixels.count / size
  }

  /// Writes whole sections after those appended before.
  public func append(_ pixels: [Float]) throws {
    try pixels.withUnsafeBufferPointer { try append($0) }
  }

  /// Writes whole sections from section `section` (0-based) on, in any order.
  public func write(_ pixels: UnsafeBufferPointer<Float>, section: Int) throws {
    let size = width * height
    let count = pixels.count / size
    precondition(pixels.count == count * size, "part of a section")
    precondition(section >= 0 && section + count <= sections, "sections out of range")
    for i in 0..<count {
      let section = section + i
      let pixels = UnsafeBufferPointer(rebasing: pixels[i * size..<(i + 1) * size])
      written.append((section, SectionStatistics(pixels)))
    }
    try withLittleEndian(pixels) {
      try output.write($0, at: MRCHeader.byteCount + section * size * 4)
    }
  }

  /// Writes the header with its statistics, flushes to the disk and gives the file its name; throws
  /// `OutputError`, also when a section is missing.
  public func finish() throws {
    // In their order, so that it does not matter who wrote which when.
    written.sort { $0.section < $1.section }
    var total = SectionStatistics()
    for section in 0..<sections {
      guard section < written.count, written[section].section == section else {
        throw OutputError(
          file: output.path, "section \(section) of \(sections) was not written once")
      }
      total.add(written[section].statistics)
    }
    let bytes = header(total)
    try bytes.withUnsafeBytes { try output.write($0, at: 0) }
    try output.finish()
  }

  private func header(_ statistics: SectionStatistics) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: MRCHeader.byteCount)
    func put(_ bits: UInt32, at offset: Int) {
      withUnsafeBytes(of: bits.littleEndian) {
        bytes.replaceSubrange(offset..<offset + 4, with: $0)
      }
    }
    func put(_ value: Int, at offset: Int) { put(UInt32(bitPattern: Int32(value)), at: offset) }
    func put(_ value: Double, at offset: Int) { put(Float(value).bitPattern, at: offset) }
    func put(_ text: String, at offset: Int) {
      bytes.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
    }
    // A stack is sampled once along z (MRC2014), so that its voxels keep the pixel size.
    let sampling = [width, height, content == .volume ? sections : 1]
    for (i, size) in [width, height, sections].enumerated() {
      put(size, at: 4 * i)
      put(sampling[i], at: 28 + 4 * i)
      put(Double(sampling[i]) * pixelSize, at: 40 + 4 * i)
      put(90.0, at: 52 + 4 * i)
      put(i + 1, at: 64 + 4 * i)
    }
    put(MRCHeader.Mode.float32.rawValue, at: 12)
    put(statistics.minimum, at: 76)
    put(statistics.maximum, at: 80)
    put(statistics.mean, at: 84)
    put(content == .volume ? 1 : 0, at: 88)
    put(20140, at: 108)
    put("MAP ", at: 208)
    bytes[212] = 0x44
    bytes[213] = 0x44
    put(statistics.deviation, at: 216)
    put(1, at: 220)
    put("Written by Kindred".padding(toLength: 80, withPad: " ", startingAt: 0), at: 224)
    return bytes
  }
}

// MARK: A file that all ranks write

extension MRCWriter {
  /// A file of which every rank writes sections (`write`); then all call `collect`, and rank 0 `finish`.
  /// Collective; throws `ReportedError` on all ranks where one cannot open the file.
  public static func shared(
    path: String, width: Int, height: Int, sections: Int, pixelSize: Double, content: Content,
    on comm: Communicator
  ) throws -> MRCWriter {
    func writer(_ output: OutputFile) -> MRCWriter {
      MRCWriter(
        output, width: width, height: height, sections: sections, pixelSize: pixelSize,
        content: content)
    }
    let made = try comm.agree {
      guard comm.isRoot else { return nil as OutputFile? }
      let file = try OutputFile(path: path)
      try file.extend(to: MRCHeader.byteCount + sections * width * height * 4)
      return file
    }
    let name = try comm.broadcast(made?.temporaryPath ?? "")
    return try comm.agree { writer(try made ?? OutputFile(joining: name, of: path)) }
  }

  /// Tells rank 0 of the sections that the others have written, which then have nothing left to do with the file,
  /// and flushes theirs to the disk. Collective; throws `ReportedError`.
  public func collect(on comm: Communicator) throws {
    let records = written.flatMap { [Double($0.section)] + $0.statistics.record }
    let all = try comm.gatherRagged(comm.isRoot ? [] : records)
    try comm.agree {
      if comm.isRoot {
        let width = 1 + SectionStatistics.recordLength
        for start in stride(from: 0, to: all.count, by: width) {
          let statistics = SectionStatistics(record: all[start + 1..<start + width])
          written.append((Int(all[start]), statistics))
        }
      } else {
        try output.finish()
      }
    }
  }
}

/// Minimum, maximum, mean and summed squared deviation, added up in a fixed order.
struct SectionStatistics {
  private(set) var minimum = Double.infinity
  private(set) var maximum = -Double.infinity
  private(set) var mean = 0.0
  private var count = 0.0
  private var squares = 0.0

  init() {}

  static let recordLength = 5

  /// All of it, as numbers.
  var record: [Double] { [minimum, maximum, mean, count, squares] }

  init(record: ArraySlice<Double>) {
    let numbers = Array(record)
    (minimum, maximum, mean) = (numbers[0], numbers[1], numbers[2])
    (count, squares) = (numbers[3], numbers[4])
  }

  /// Pixels taken at once, each with sums of its own: the order is the same on every machine.
  private typealias Lanes = SIMD16<Float>
  private typealias WideLanes = SIMD16<Double>

  /// - Parameter pixels: at least one.
  init(_ pixels: UnsafeBufferPointer<Float>) {
    let width = Lanes.scalarCount
    let whole = pixels.count / width * width
    let memory = UnsafeRawPointer(pixels.baseAddress!)
    func lanes(_ at: Int) -> Lanes {
      memory.loadUnaligned(fromByteOffset: at * MemoryLayout<Float>.stride, as: Lanes.self)
    }
    var (lows, highs) = (Lanes(repeating: .infinity), Lanes(repeating: -.infinity))
    var sums = WideLanes()
    for at in stride(from: 0, to: whole, by: width) {
      let values = lanes(at)
      lows.replace(with: values, where: values .< lows)
      highs.replace(with: values, where: values .> highs)
      sums += WideLanes(values)
    }
    var (low, high, sum) = (lows.min(), highs.max(), sums.sum())
    for pixel in pixels[whole...] {
      low = min(low, pixel)
      high = max(high, pixel)
      sum += Double(pixel)
    }
    minimum = Double(low)
    maximum = Double(high)
    count = Double(pixels.count)
    mean = sum / count
    var squared = WideLanes()
    for at in stride(from: 0, to: whole, by: width) {
      let deviations = WideLanes(lanes(at)) - mean
      squared += deviations * deviations
    }
    squares = squared.sum()
    for pixel in pixels[whole...] {
      let deviation = Double(pixel) - mean
      squares += deviation * deviation
    }
  }

  /// Root mean square deviation from the mean.
  var deviation: Double { (squares / count).squareRoot() }

  /// Chan, Golub and LeVeque's pairwise update.
  mutating func add(_ other: SectionStatistics) {
    let total = count + other.count
    let difference = other.mean - mean
    squares += other.squares + difference * difference * count * other.count / total
    mean += difference * other.count / total
    count = total
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
  }
}

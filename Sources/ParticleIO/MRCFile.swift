import Foundation

/// An MRC stack or volume open for reading; any thread may read.
public final class MRCFile: Sendable {
  /// The file's path.
  public let path: String
  /// What its header says.
  public let header: MRCHeader
  private let file: InputFile

  /// What the file was when it was opened.
  var version: FileVersion { file.version }

  /// Columns of a section, in pixels.
  public var width: Int { header.width }
  /// Rows of a section, in pixels.
  public var height: Int { header.height }
  /// Images of a stack or slices of a volume.
  public var sections: Int { header.sections }
  /// Pixel size in A, nil when unknown.
  public var pixelSize: Double? { header.pixelSize }

  /// Opens the file and checks its header and its length; throws `InputError`.
  public init(path: String) throws {
    let file = try InputFile(path: path)
    guard file.byteCount >= MRCHeader.byteCount else {
      throw InputError(
        file: path,
        "holds \(file.byteCount) bytes; an MRC file has a header of \(MRCHeader.byteCount)")
    }
    let header = try withUnsafeTemporaryAllocation(
      byteCount: MRCHeader.byteCount, alignment: 8
    ) { bytes in
      try file.read(into: bytes, at: 0)
      return try MRCHeader(UnsafeRawBufferPointer(bytes), file: path)
    }
    let expected = header.dataOffset + header.sectionByteCount * header.sections
    guard file.byteCount >= expected else {
      let held = max(0, file.byteCount - header.dataOffset) / header.sectionByteCount
      throw InputError(
        file: path,
        "is cut short: \(file.byteCount) bytes, which hold \(held) whole sections; its header says "
          + "\(header.sections) sections of \(header.width) x \(header.height), \(expected) bytes")
    }
    self.path = path
    self.file = file
    self.header = header
  }

  /// Reads consecutive sections as floats, row-major, x fastest; `pixels` holds
  /// `sections.count * width * height` values.
  public func read(sections range: Range<Int>, into pixels: UnsafeMutableBufferPointer<Float>)
    throws
  {
    precondition(range.lowerBound >= 0 && range.upperBound <= sections, "sections out of range")
    precondition(pixels.count == range.count * width * height, "a buffer of another size")
    let offset = header.dataOffset + range.lowerBound * header.sectionByteCount
    if header.mode == .float32 {
      try file.read(into: UnsafeMutableRawBufferPointer(pixels), at: offset)
      if header.isBigEndian { swapBytes(pixels) }
      return
    }
    try withUnsafeTemporaryAllocation(
      byteCount: range.count * header.sectionByteCount, alignment: 64
    ) { bytes in
      try file.read(into: bytes, at: offset)
      convert(UnsafeRawBufferPointer(bytes), to: pixels)
    }
  }

  private func swapBytes(_ pixels: UnsafeMutableBufferPointer<Float>) {
    for i in pixels.indices {
      pixels[i] = Float(bitPattern: pixels[i].bitPattern.byteSwapped)
    }
  }

  private func convert(
    _ bytes: UnsafeRawBufferPointer, to pixels: UnsafeMutableBufferPointer<Float>
  ) {
    let swap = header.isBigEndian
    func words(_ value: (UInt16) -> Float) {
      let words = bytes.bindMemory(to: UInt16.self)
      for i in pixels.indices { pixels[i] = value(swap ? words[i].byteSwapped : words[i]) }
    }
    switch header.mode {
    case .int8 where header.isUnsignedByte:
      for i in pixels.indices { pixels[i] = Float(bytes[i]) }
    case .int8:
      for i in pixels.indices { pixels[i] = Float(Int8(bitPattern: bytes[i])) }
    case .int16: words { Float(Int16(bitPattern: $0)) }
    case .uint16: words { Float($0) }
    case .float16: words { Float(Float16(bitPattern: $0)) }
    case .float32: preconditionFailure("read in place")
    }
  }
}

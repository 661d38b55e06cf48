import Foundation

extension ParticleSet {
  /// What tells this input from another: the STAR file's checksum and length, and one checksum over
  /// the names, sizes and modification times of all stacks. Folders do not enter: a data set that was moved
  /// with its times (`cp -p`, `rsync -a`) is the same.
  /// - Throws: `InputError` where a file cannot be read.
  public func digest() throws -> [String: String] {
    let star = try InputFile(path: starFile)
    var checksum = Checksum()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    for start in stride(from: 0, to: star.byteCount, by: buffer.count) {
      let count = min(buffer.count, star.byteCount - start)
      try buffer.withUnsafeMutableBytes {
        let part = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
        try star.read(into: part, at: start)
        checksum.add(UnsafeRawBufferPointer(part))
      }
    }
    var list = Checksum()
    for stack in stacks {
      var status = stat()
      if stat(stack, &status) != 0 {
        throw InputError(file: stack, "cannot be examined: \(systemMessage())")
      }
      let name = (stack as NSString).lastPathComponent
      list.add(
        "\(name) \(status.st_size) \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec)\n")
    }
    return [
      "STAR file": "\(checksum.text) (\(star.byteCount) bytes)",
      "stacks": "\(list.text) (\(stacks.count) files, by name, size and time)",
      "CTF": hasCTF ? "as given" : "none",
    ]
  }
}

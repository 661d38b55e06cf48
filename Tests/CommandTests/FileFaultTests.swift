import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Disks that are full or broken, network file systems at their worst, and input that changes during the run.
  @Suite(.enabled(if: FaultyFiles.canCompile, "no C compiler cc"))
  struct FileFaultTests {
    struct Fault: Sendable, CustomTestStringConvertible {
      let function: String
      let error: String
      /// Part of the path of the files that it meets.
      let path: String
      /// What the message must say.
      let says: String
      var first = 1

      var testDescription: String { "\(function) \(error) \(path)" }
    }

    private static let faults = [
      Fault(function: "pwrite", error: "ENOSPC", path: "/run/averages.mrcs", says: "No space left"),
      Fault(
        function: "pwrite", error: "EIO", path: "/run/checkpoints/", says: "Input/output error",
        first: 2),
      Fault(
        function: "fsync", error: "EIO", path: "/run/neighbours.npy", says: "Input/output error"),
      Fault(function: "close", error: "ENOSPC", path: "/run/rotation.npy", says: "No space left"),
      Fault(function: "rename", error: "ESTALE", path: "/run/run.json", says: "Stale file handle"),
      Fault(function: "open", error: "EROFS", path: "/run/mean.mrc", says: "Read-only file system"),
      Fault(
        function: "pread", error: "EIO", path: "/set/particles.mrcs", says: "Input/output error",
        first: 4),
      Fault(
        function: "pread", error: "ESTALE", path: "/set/particles.mrcs", says: "Stale file handle",
        first: 3),
    ]

    /// One message that names the file; nothing under a final name; the next run continues and is right.
    @Test(arguments: faults) func areNamed(fault: Fault) throws {
      let folder = try DamagedSet.make()
      let run = try DamagedSet.average(
        folder, ranks: 2,
        environment: try FaultyFiles.environment(
          fault.function, fault.error, path: folder.path + fault.path, first: fault.first))
      #expect(run.status != 0 && !run.errors.isEmpty && run.errors.count <= 2, "\(run.text)")
      for message in run.errors {
        #expect(message.contains(fault.says), "\(run.text)")
        #expect(message.contains(folder.path + fault.path), "\(run.text)")
      }
      #expect(run.seconds < 20, "\(run.text)")
      #expect(folder.names(in: "run").allSatisfy { $0 == "checkpoints" }, "\(run.text)")
      let rest = try DamagedSet.average(folder, ["--resume"], ranks: 2)
      #expect(rest.status == 0 && !rest.messages.contains("not used"), "\(rest.text)")
      try expectUndisturbed(folder)
    }

    /// Calls that are interrupted or do less than they were asked to change nothing.
    @Test(arguments: [
      ("pread", "SHORT"), ("pwrite", "SHORT"), ("pread", "EINTR"),
      ("pwrite", "EINTR"), ("fsync", "EINTR"), ("close", "EINTR"), ("open", "EINTR"),
    ])
    func areOvercome(function: String, error: String) throws {
      let folder = try DamagedSet.make()
      let run = try DamagedSet.average(
        folder, ranks: 2,
        environment: try FaultyFiles.environment(function, error, path: folder.path))
      #expect(run.status == 0, "\(run.text)")
      try expectUndisturbed(folder)
    }

    /// A stack that is written to, or cut short, while its images are read.
    @Test(arguments: [("TOUCH", "it was written to"), ("TRUNCATE", "bytes, now it has")], [2, 4])
    func inputChanges(change: (how: String, says: String), first: Int) throws {
      let folder = try DamagedSet.make()
      let stack = folder.file("set/particles.mrcs")
      let run = try DamagedSet.average(
        folder, ranks: 2,
        environment: try FaultyFiles.environment(
          "pread", change.how, path: stack, first: first, rank: 1))
      #expect(run.status != 0 && !run.errors.isEmpty && run.errors.count <= 2, "\(run.text)")
      // The kernel sets the time of a stack that is cut before its size: another rank may see but the first. One that
      // opens the stack anew finds it too short for its header.
      let isCut = change.how == "TRUNCATE"
      let changes = [change.says] + (isCut ? ["it was written to"] : [])
      for message in run.errors {
        let isShort = isCut && message.contains("\(stack): is cut short")
        let isChanged = message.contains("\(stack): has changed during the run: ")
        #expect(
          isShort || isChanged && changes.contains { message.contains($0) }, "\(run.text)")
      }
      #expect(folder.names(in: "run").allSatisfy { $0 == "checkpoints" }, "\(run.text)")
    }

    /// Known before any work is done.
    @Test(.enabled(if: FullDisk.canMount, "needs root and the right to mount a tmpfs"))
    func aFolderThatIsReadOnly() throws {
      let folder = try DamagedSet.make()
      try FullDisk.mount(folder.file("run"), kilobytes: 64)
      defer { FullDisk.unmount(folder.file("run")) }
      #expect(
        try Command.runProgram(["mount", "-o", "remount,ro", folder.file("run")]).status == 0)
      let run = try DamagedSet.average(folder, ranks: 2)
      #expect(run.status == 1 && run.errors.count == 1, "\(run.text)")
      let says = "\(folder.file("run")): cannot be written to: Read-only file system"
      #expect(run.errors.first?.contains(says) == true, "\(run.text)")
      #expect(!run.messages.contains("begins"), "\(run.text)")
    }

    private func expectUndisturbed(
      _ folder: TemporaryFolder, _ location: SourceLocation = #_sourceLocation
    ) throws {
      let reference = try DamagedSet.make()
      try Command.averageOnce(reference, to: "run", DamagedSet.options([]), ranks: 1)
      for name in ["neighbours", "affinity", "rotation", "reflected"] {
        let same = try folder.data("run/\(name).npy") == reference.data("run/\(name).npy")
        #expect(same, "\(name) differs", sourceLocation: location)
      }
      #expect(folder.names(in: "run") == RunOutput.fileNames, sourceLocation: location)
    }
  }
}

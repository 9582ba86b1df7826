"""The executable's size, stripped, beside what is installed of the peers' (one file each; Python's
interpreter is not counted as Supervisor's)."""
import os
import shutil
import subprocess

from common import PROGRAM, Figure, temporary_folder
from peers import Dinit

figure = Figure("executable, stripped", "MB", "below 4 MB")
programs = {"noforce": PROGRAM, "dinit": Dinit.tool("dinit"), "nginx": shutil.which("nginx", path="/usr/sbin"),
            "systemd": "/lib/systemd/systemd"}
for name, path in programs.items():
    if path and os.path.exists(path):
        copy = temporary_folder("size") / name
        subprocess.run(["strip", "-o", copy, path], check=True)
        figure.add(name, copy.stat().st_size / 2**20)
figure.print("noforce", ["dinit", "nginx"])

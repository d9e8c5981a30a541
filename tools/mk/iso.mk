# iso.mk - the bootable image: GRUB, the kernel, the bootstrap program and the archive of everything else.

ISO_FLAGS_bios := --install-modules="multiboot2 normal iso9660 biosdisk terminal serial echo part_msdos all_video" --locales= --fonts= --themes= -d /usr/lib/grub/i386-pc
